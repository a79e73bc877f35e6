// The lexicons of the tree.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

function documents(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return documents(path)
    return path.endsWith('.json') ? [JSON.parse(readFileSync(path, 'utf8'))] : []
  })
}

// Each time anew: the library changes its own copies.
export const load = () => documents(new URL('../../lexicons', import.meta.url).pathname)
