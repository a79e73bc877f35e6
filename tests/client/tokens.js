// Service tokens for people: those whose keys are here, and those whose PDS makes them.
//
// node tokens.js directory      makes people whose keys are there, and a dump of what they published

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

function base58(bytes) {
  let number = BigInt('0x' + bytes.toString('hex'))
  let text = ''
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text
  return text
}

// A multikey: the multicodec of the curve, and the compressed point.
function multikey(publicKey, codec) {
  const { x, y } = publicKey.export({ format: 'jwk' })
  const [left, right] = [x, y].map((part) => Buffer.from(part, 'base64url'))
  return 'z' + base58(Buffer.concat([codec, Buffer.from([2 + (right.at(-1) & 1)]), left]))
}

const CURVES = [
  { curve: 'P-256', alg: 'ES256', codec: Buffer.from([0x80, 0x24]) },
  { curve: 'secp256k1', alg: 'ES256K', codec: Buffer.from([0xe7, 0x01]) },
]

const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url')

// Makes people with a key each, of both curves in turn. A daemon that knows `people.dids.jsonl` of the directory knows them.
function make(dir, names) {
  const people = names.map((name, number) => {
    const { curve, alg, codec } = CURVES[number % CURVES.length]
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve })
    const did = `did:plc:${name.padEnd(24, 'a')}`
    const id = `${did}#atproto`
    const method = { id, type: 'Multikey', controller: did, publicKeyMultibase: multikey(publicKey, codec) }
    const document = { id: did, alsoKnownAs: [`at://${name}.example`], verificationMethod: [method] }
    return { did, alg, document, key: privateKey.export({ format: 'pem', type: 'pkcs8' }) }
  })
  const lines = people.map(({ document }) => JSON.stringify(document))
  writeFileSync(join(dir, 'people.dids.jsonl'), lines.join('\n'))
  writeFileSync(join(dir, 'people.json'), JSON.stringify(people), { mode: 0o600 })
  const [ada, bea] = people
  writeFileSync(join(dir, 'events.jsonl'), [published(ada, EVENT), published(bea, rsvp(ada))].join('\n'))
}

// What ada publishes, and bea's answer to it. A CID is that of the record, whoever has it.
const EVENT = {
  collection: 'community.lexicon.calendar.event',
  record: { $type: 'community.lexicon.calendar.event', createdAt: '2026-02-01T12:00:00Z', name: 'Party' },
  cid: 'bafyreie6lroajdiz76hfehtyvg7uxgzrqjis3lekwyuaakc3gjhfczo3i4',
}
const rsvp = (host) => ({
  collection: 'community.lexicon.calendar.rsvp',
  record: {
    $type: 'community.lexicon.calendar.rsvp',
    createdAt: '2026-02-10T12:00:00Z',
    status: 'community.lexicon.calendar.rsvp#going',
    subject: { uri: eventOf(host), cid: EVENT.cid },
  },
  cid: 'bafyreibmog3ln2sj7fiur3auiqizyiffh6lvq7nr2y3qkg4ejzslbpfuzu',
})

// The event of somebody.
export const eventOf = ({ did }) => `at://${did}/${EVENT.collection}/party`

// What a Jetstream says of a record.
function published({ did }, { collection, record, cid }) {
  const commit = { rev: '3mdzmn7xqxl22', operation: 'create', collection, rkey: 'party', record, cid }
  return JSON.stringify({ did, time_us: 1, kind: 'commit', commit })
}

// The people that were made in a directory.
export function made(dir) {
  return JSON.parse(readFileSync(join(dir, 'people.json'), 'utf8')).map(({ did, alg, key }) => {
    const token = async (aud, lxm) => {
      const iat = Math.floor(Date.now() / 1000)
      const claims = { iss: did, aud, lxm, iat, exp: iat + 60, jti: randomUUID() }
      const signed = `${encode({ typ: 'JWT', alg })}.${encode(claims)}`
      const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
      return `${signed}.${signature.toString('base64url')}`
    }
    return { did, token }
  })
}

// Somebody whose PDS signs for them.
export async function at(pds, identifier, password) {
  const get = async (path, init) => {
    const response = await fetch(`${pds}/xrpc/${path}`, init)
    const body = await response.json()
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(body)}`)
    return body
  }
  const { did, accessJwt } = await get('com.atproto.server.createSession', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ identifier, password }),
  })
  const token = async (aud, lxm) => {
    const asked = new URLSearchParams({ aud, lxm })
    const headers = { authorization: `Bearer ${accessJwt}` }
    return (await get(`com.atproto.server.getServiceAuth?${asked}`, { headers })).token
  }
  return { did, token, accessJwt }
}

if (argv[1] === fileURLToPath(import.meta.url)) make(argv[2], ['ada', 'bea'])
