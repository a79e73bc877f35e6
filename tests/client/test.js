// The ecosystem's own client against a running guestlist: its lexicon library loads our lexicons, its XRPC
// client calls every query by them, and validates what comes back.
//
// node test.js http://127.0.0.1:8484

import assert from 'node:assert/strict'
import { Lexicons } from '@atproto/lexicon'
import { XrpcClient, XRPCError } from '@atproto/xrpc'
import { load } from './documents.js'

const base = process.argv[2]
assert.ok(base, 'where guestlist answers: node test.js http://127.0.0.1:8484')

const docs = load()
// The reference implementation refuses what is no lexicon, here and as it resolves references.
const lexicons = new Lexicons(docs)
for (const { id, defs } of docs) lexicons.getDefOrThrow(defs.main ? id : `${id}#${Object.keys(defs)[0]}`)

const client = new XrpcClient(base, docs)
const called = new Set()

// Calls a query; the client checks parameters and answer by the lexicon, and so does the library alone.
async function call(method, params) {
  called.add(method)
  const { data, headers } = await client.call(method, params)
  lexicons.assertValidXrpcOutput(method, data)
  assert.ok(headers['guestlist-position'], `${method} names no position`)
  return data
}

// A list to its end, two items a page.
async function list(method, of, params) {
  const items = []
  let cursor
  do {
    const page = await call(method, { ...params, limit: 2, cursor })
    items.push(...page[of])
    cursor = page.cursor
    assert.ok(items.length < 10_000, `${method} does not end`)
  } while (cursor)
  return items
}

// An error that the client knows by its name.
async function refused(method, params, status, name) {
  // Straight to the server: the client itself would not send some of these.
  const response = await fetch(`${base}/xrpc/${method}?${new URLSearchParams(params)}`)
  const body = await response.json()
  assert.deepEqual([response.status, body.error], [status, name], `${method}: ${JSON.stringify(body)}`)
}

const status = await call('app.guestlist.getStatus')
assert.ok(status.ready, 'guestlist has not read its sources')

const rounds = await list('app.guestlist.listRounds', 'rounds')
assert.ok(rounds.length > 0)
const people = new Set()
for (const { uri: round, organizer } of rounds) {
  assert.equal((await call('app.guestlist.getRound', { uri: round })).uri, round)
  if (organizer) people.add(organizer)
  for (const signup of await list('app.guestlist.listSignups', 'signups', { round })) {
    people.add(signup.author)
    const explained = await call('app.guestlist.explain', { uri: signup.uri })
    assert.deepEqual(explained.verdict, signup.verdict)
  }
  await list('app.guestlist.listInvitations', 'invitations', { round })
  await list('app.guestlist.listSubmissions', 'submissions', { round })
  const graph = await call('app.guestlist.getInviteGraph', { round })
  for (const { did, depth } of await list('app.guestlist.listParticipants', 'participants', { round })) {
    assert.ok(graph.nodes.some((node) => node.did === did && node.participant))
    const standing = await call('app.guestlist.getStanding', { round, actor: did })
    assert.ok(standing.participant)
    if (standing.chain) assert.equal(depth, (standing.chain.length - 1) / 2)
  }
  const actors = [...people]
  const { standings } = await call('app.guestlist.getStandings', { round, actors })
  assert.deepEqual(standings.map(({ actor }) => actor), actors)
}

const events = new Set()
for (const actor of people) {
  await list('app.guestlist.listActorRounds', 'rounds', { actor })
  const rsvps = await list('community.lexicon.calendar.listRSVPs', 'rsvps', { identity: actor })
  assert.equal(new Set(rsvps.map(({ uri }) => uri)).size, rsvps.length)
  for (const { eventUri: event } of rsvps) {
    events.add(event)
    const rsvp = await call('community.lexicon.calendar.getRSVP', { event, identity: actor })
    assert.ok(rsvps.some(({ uri }) => uri === rsvp.uri))
  }
}
assert.ok(events.size > 0)
for (const event of events) {
  await list('app.guestlist.listEventRSVPs', 'rsvps', { event })
  const [, , repository, , record_key] = event.split('/')
  await call('community.lexicon.calendar.getEvent', { repository, record_key })
}
const listed = await list('app.guestlist.listEvents', 'events', { when: 'all' })
for (const event of events) assert.ok(listed.some(({ uri }) => uri === event))
// The index is some tenths of a second behind, or still being filled.
const search = 'community.lexicon.calendar.searchEvents'
for (let tries = 0; (await call('app.guestlist.getStatus')).search.state !== 'ready'; tries += 1) {
  assert.ok(tries < 300, 'the search index is not filled')
  await new Promise((resolve) => setTimeout(resolve, 100))
}
for (const event of listed) {
  const found = await list(search, 'results', { query: event.name, repository: event.repository })
  assert.ok(found.some(({ uri }) => uri === event.uri), event.name)
}
assert.deepEqual(await call(search), { results: [] })
await refused(search, { repository: 'nobody' }, 404, 'invalid_repository')
await list('app.guestlist.listQuarantine', 'records')

const nothing = 'at://did:plc:nobody/at.atjam.round/nothing'
await refused('app.guestlist.getRound', { uri: nothing }, 404, 'RoundNotFound')
await refused('app.guestlist.getStanding', { round: nothing }, 400, 'InvalidRequest')
await refused('community.lexicon.calendar.getRSVP', { event: nothing, identity: 'did:plc:x' }, 404, 'NotFound')
await refused('no.such.method', {}, 501, 'MethodNotImplemented')
await assert.rejects(
  client.call('app.guestlist.getStanding', { round: nothing, actor: 'did:plc:nobody' }),
  (error) => error instanceof XRPCError && error.status === 404 && error.error === 'RoundNotFound',
)

// Those that want to know who asks are called by spaces.js.
const isOpen = ({ id }) => !id.startsWith('rsvp.') && !/^app\.guestlist\.list(Audit|Tickets)$/.test(id)
const queries = docs.filter((doc) => doc.defs.main?.type === 'query' && isOpen(doc)).map(({ id }) => id)
const forgotten = queries.filter((id) => !called.has(id))
assert.deepEqual(forgotten, [], 'every query is called')
// The library has changed its own copies.
for (const doc of load()) {
  const served = await fetch(`${base}/lexicons/${doc.id}`)
  assert.deepEqual(await served.json(), doc)
}
console.log(`${docs.length} lexicons loaded and served; ${called.size} queries called and validated`)
