// The ecosystem's own client makes a space and invites, redeems, lists, revokes, sets up an event and gives out a ticket:
// with tokens of two people.
//
// node spaces.js http://127.0.0.1:8484 directory                                    people that tokens.js made
// node spaces.js http://127.0.0.1:8484 http://a.pds ada.test bea.test password      people of a real PDS

import assert from 'node:assert/strict'
import { Lexicons } from '@atproto/lexicon'
import { XrpcClient, XRPCError } from '@atproto/xrpc'
import { load } from './documents.js'
import { at, eventOf, made } from './tokens.js'

const [base, place, ...names] = process.argv.slice(2)
const password = names.pop()
const atPds = place.startsWith('http')
const [ada, bea] = atPds ? await Promise.all(names.map((name) => at(place, name, password))) : made(place)

const audience = (await (await fetch(`${base}/.well-known/did.json`)).json()).id
const docs = load()
const lexicons = new Lexicons(load())
const client = new XrpcClient(base, docs)
const called = new Set()

async function call(who, method, params, input, aud = audience) {
  called.add(method)
  const headers = { authorization: `Bearer ${await who.token(aud, method)}` }
  const { data } = await client.call(method, params, input, { headers, encoding: input && 'application/json' })
  lexicons.assertValidXrpcOutput(method, data)
  return data
}

const ask = (who, method, params) => call(who, method, params)
const act = (who, method, input) => call(who, method, {}, input)

async function refused(promise, status, name) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof XRPCError, error)
    assert.deepEqual([error.status, error.error], [status, name], error.message)
    return true
  })
}

const { space } = await act(ada, 'rsvp.atmo.space.admin.createSpace', { key: `club-${Date.now()}` })
const spaceUri = space.uri
assert.deepEqual([space.ownerDid, space.serviceDid], [ada.did, audience])

// Create, share, redeem.
const { token, invite } = await act(ada, 'rsvp.atmo.space.invite.create', { spaceUri, maxUses: 1, note: 'for Bea' })
const joined = { spaceUri, perms: 'write' }
assert.deepEqual(await act(bea, 'rsvp.atmo.space.invite.redeem', { token }), joined)
assert.deepEqual(await act(bea, 'rsvp.atmo.space.invite.redeem', { token }), joined)
assert.deepEqual(await ask(bea, 'rsvp.atmo.space.whoami', { spaceUri }), { isOwner: false, isMember: true, perms: 'write' })

// List: used once.
const { invites } = await ask(ada, 'rsvp.atmo.space.invite.list', { spaceUri })
assert.deepEqual([invites.length, invites[0].usedCount, invites[0].tokenHash], [1, 1, invite.tokenHash])
const { members } = await ask(bea, 'rsvp.atmo.space.listMembers', { spaceUri })
assert.deepEqual(members.map(({ did }) => did), [ada.did, bea.did])
assert.equal((await ask(bea, 'rsvp.atmo.space.getSpace', { uri: spaceUri })).space.uri, spaceUri)
const { spaces } = await ask(bea, 'rsvp.atmo.space.listSpaces', {})
assert.ok(spaces.some(({ uri }) => uri === spaceUri))

// Revoke: whoever joined stays.
const revoke = { spaceUri, tokenHash: invite.tokenHash }
assert.deepEqual(await act(ada, 'rsvp.atmo.space.invite.revoke', revoke), { ok: true })
assert.deepEqual(await act(ada, 'rsvp.atmo.space.invite.revoke', revoke), { ok: false })
assert.deepEqual(await act(bea, 'rsvp.atmo.space.leaveSpace', { spaceUri }), { ok: true })
await refused(act(bea, 'rsvp.atmo.space.invite.redeem', { token }), 400, 'InvalidInvite')
assert.deepEqual(await act(ada, 'rsvp.atmo.space.admin.addMember', { spaceUri, did: bea.did, perms: 'read' }), { ok: true })
assert.deepEqual(await act(ada, 'rsvp.atmo.space.admin.removeMember', { spaceUri, did: bea.did }), { ok: true })
const { entries } = await ask(ada, 'app.guestlist.listAudit', { space: spaceUri })
assert.equal(entries[0].act, 'remove-member')

// What is not theirs, and tokens that are for something else.
await refused(act(bea, 'rsvp.atmo.space.invite.create', { spaceUri }), 403, 'Forbidden')
await refused(ask(bea, 'rsvp.atmo.space.listMembers', { spaceUri }), 403, 'Forbidden')
await refused(call(bea, 'rsvp.atmo.space.whoami', { spaceUri }, undefined, bea.did), 401, 'AuthRequired')
await refused(client.call('rsvp.atmo.space.whoami', { spaceUri }), 401, 'AuthRequired')
const used = { headers: { authorization: `Bearer ${await bea.token(audience, 'rsvp.atmo.space.whoami')}` } }
await client.call('rsvp.atmo.space.whoami', { spaceUri }, undefined, used)
await refused(client.call('rsvp.atmo.space.whoami', { spaceUri }, undefined, used), 401, 'AuthRequired')

// Through the PDS, which makes the token.
if (atPds) {
  const response = await fetch(`${place}/xrpc/rsvp.atmo.space.whoami?${new URLSearchParams({ spaceUri })}`, {
    headers: { authorization: `Bearer ${bea.accessJwt}`, 'atproto-proxy': `${audience}#guestlist` },
  })
  assert.deepEqual(await response.json(), { isOwner: false, isMember: false })
}
assert.deepEqual(await act(ada, 'rsvp.atmo.space.admin.deleteSpace', { spaceUri }), { ok: true })
await refused(ask(ada, 'rsvp.atmo.space.whoami', { spaceUri }), 404, 'NotFound')

// Events: of people of a real PDS there are none here.
const configure = 'events.smokesignal.event.configure'
const link = 'events.smokesignal.rsvp.linkAttestation'
const [event, aturi] = [eventOf(ada), `at://${ada.did}/com.example.attestation/one`]
const settings = { disableDirectRsvp: true, rsvpRedirectUrl: 'https://tickets.example/party' }
if (atPds) {
  await refused(act(ada, configure, { event, ...settings }), 404, 'EventNotFound')
  await refused(act(ada, link, { event, did: bea.did, aturi }), 404, 'NotFound')
  await refused(act(bea, 'app.guestlist.confirmAttestation', { event }), 404, 'NotFound')
  assert.deepEqual(await ask(bea, 'app.guestlist.listTickets', {}), { tickets: [] })
} else {
  const shown = async (method, params) => (await client.call(method, params)).data
  assert.deepEqual(await act(ada, configure, { event, ...settings }), {})
  assert.deepEqual(await act(ada, link, { event, did: bea.did, aturi }), {})
  const { ticket } = await act(bea, 'app.guestlist.confirmAttestation', { event, aturi })
  assert.deepEqual([ticket.did, ticket.aturi], [bea.did, aturi])
  assert.deepEqual(await ask(ada, 'app.guestlist.listTickets', { event }), { tickets: [ticket] })
  assert.deepEqual(await ask(bea, 'app.guestlist.listTickets', {}), { tickets: [ticket] })
  const view = await shown('community.lexicon.calendar.getEvent', { repository: ada.did, recordKey: 'party' })
  assert.deepEqual([view.disableDirectRsvp, view.rsvpRedirectUrl], [true, settings.rsvpRedirectUrl])
  const rsvp = await shown('community.lexicon.calendar.getRSVP', { event, identity: bea.did })
  assert.equal(rsvp.attestation, aturi)
  assert.deepEqual(await act(ada, configure, { event, rsvpRedirectUrl: '' }), {})
}
await refused(act(bea, configure, { event, disableDirectRsvp: true }), 400, 'InvalidRequest')
await refused(act(ada, configure, { event, rsvpRedirectUrl: 'http://tickets.example' }), 400, 'InvalidRedirectUrl')
await refused(act(bea, link, { event, did: bea.did, aturi }), 403, 'Forbidden')

const ours = ['listAudit', 'listTickets', 'confirmAttestation'].map((name) => `app.guestlist.${name}`)
const isTheirs = (id) => ['rsvp.', 'events.smokesignal.'].some((start) => id.startsWith(start))
const wanted = docs.filter(({ id, defs }) => ['query', 'procedure'].includes(defs.main?.type) && (isTheirs(id) || ours.includes(id)))
assert.deepEqual(wanted.map(({ id }) => id).filter((id) => !called.has(id)), [], 'every method is called')
console.log(`${called.size} methods called with tokens, and validated`)
