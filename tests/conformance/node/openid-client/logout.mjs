// Signing out: asked for by a client, told to clients within two seconds; and what else ends what was granted.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { check } from '../check.mjs'
import { refused } from '../expect.mjs'
import { administer, fresh, stage } from '../hub.mjs'
import { answered, client, configured, discover, tokens } from '../relying-party.mjs'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const PROMISED = 2_000

// A client of its own that is told of sign-outs: `heard` resolves to the verified claims.
async function listening() {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const heard = once(server, 'request').then(async ([asked, answer]) => {
    const body = (await asked.toArray()).join('')
    answer.end()
    server.close()
    return new URLSearchParams(body).get('logout_token')
  })
  const made = await administer('POST', '/v1/clients', {
    client_name: 'Listening',
    redirect_uris: [stage.callback],
    grant_types: ['authorization_code', 'refresh_token'],
    scopes: ['openid', 'offline_access'],
    is_trusted: true,
    organisation_id: stage.organisations.group,
    backchannel_logout_uri: `http://127.0.0.1:${server.address().port}/logout`,
  })
  return { config: await discover(made, client.ClientSecretBasic(made.client_secret)), made, heard }
}

async function verified(token, audience) {
  const keys = createRemoteJWKSet(new URL(`${stage.issuer}/oauth/jwks`))
  const { payload } = await jwtVerify(token, keys, { issuer: stage.issuer, audience, typ: 'logout+jwt' })
  return payload
}

async function toldOf(end, { person = 'ann', scope = 'openid' } = {}) {
  const listener = await listening()
  const signedIn = await fresh(person)
  const given = await tokens(listener.config, signedIn, { scope })
  const began = performance.now()
  await end({ person: signedIn, given, ...listener })
  const token = await Promise.race([listener.heard, new Promise((_, fail) => setTimeout(() => fail(new Error('not told')), 10_000))])
  const took = performance.now() - began
  const claims = await verified(token, listener.made.client_id)
  assert.ok(took <= PROMISED, `told after ${Math.round(took)} ms`)
  assert.deepEqual(claims.events, { [EVENT]: {} })
  assert.equal(claims.nonce, undefined)
  assert.ok(claims.jti && claims.iat)
  assert.equal(claims.sub, given.claims().sub)
  await assert.rejects(client.fetchUserInfo(listener.config, given.access_token, claims.sub), refused('invalid_token', 401))
  return { claims, given, ...listener }
}

check('sign-out at the client: back there with its state, and signed out here', async () => {
  const config = await configured('basic')
  const person = await fresh('ann')
  const given = await tokens(config, person)
  const leave = client.buildEndSessionUrl(config, { id_token_hint: given.id_token, post_logout_redirect_uri: stage.goodbye, state: 'bye' })
  const page = await person.open(leave)
  assert.equal(page.outside.href, `${stage.goodbye}?state=bye`)
  const { back } = await answered(config, person, { prompt: 'none' })
  assert.equal(back.searchParams.get('error'), 'login_required')
})

check('sign-out at the client: an address it has not registered leads nowhere', async () => {
  const config = await configured('basic')
  const person = await fresh('ann')
  const given = await tokens(config, person)
  const page = await person.open(client.buildEndSessionUrl(config, { id_token_hint: given.id_token, post_logout_redirect_uri: 'https://evil.example/' }))
  assert.equal(page.outside, undefined)
})

check('sign-out without a hint: the person is asked', async () => {
  const config = await configured('basic')
  const person = await fresh('ann')
  const page = await person.open(client.buildEndSessionUrl(config, { post_logout_redirect_uri: stage.goodbye }))
  assert.equal(page.status, 200)
  await tokens(config, person, { prompt: 'none' })
  await person.submit(page, {}, '/oauth/logout')
  const { back } = await answered(config, person, { prompt: 'none' })
  assert.equal(back.searchParams.get('error'), 'login_required')
})

check('sign-out with another person’s hint: asked as well', async () => {
  const config = await configured('basic')
  const other = await tokens(config, 'bob')
  const person = await fresh('ann')
  const page = await person.open(client.buildEndSessionUrl(config, { id_token_hint: other.id_token, post_logout_redirect_uri: stage.goodbye }))
  assert.equal(page.status, 200)
  await tokens(config, person, { prompt: 'none' })
})

check('back-channel: told of a sign-out here', async () => {
  const { claims, given } = await toldOf(({ person }) => person.signOut())
  assert.equal(claims.sid, given.claims().sid)
})

check('back-channel: told of a sign-out at another client', async () => {
  const config = await configured('basic')
  await toldOf(async ({ person }) => {
    const { id_token } = await tokens(config, person)
    await person.open(client.buildEndSessionUrl(config, { id_token_hint: id_token, post_logout_redirect_uri: stage.goodbye }))
  })
})

check('back-channel: told of a disabled account', async () => {
  const at = `/v1/people/${stage.people.leaver.id}`
  const organisation_id = stage.organisations.alpha
  const { config, given } = await toldOf(() => administer('PATCH', at, { is_disabled: true, organisation_id }), { person: 'leaver' })
  await assert.rejects(client.refreshTokenGrant(config, given.refresh_token), refused('invalid_grant', 400))
})

check('offline_access outlives the session, other tokens do not', async () => {
  const config = await configured('basic')
  const person = await fresh('ann')
  const [online, offline] = [await tokens(config, person), await tokens(config, person, { scope: 'openid offline_access' })]
  await person.signOut()
  await assert.rejects(client.refreshTokenGrant(config, online.refresh_token), refused('invalid_grant', 400))
  await client.refreshTokenGrant(config, offline.refresh_token)
})

check('a membership that ends takes its tokens with it', async () => {
  const config = await configured('basic')
  const person = await fresh('eve')
  const given = await tokens(config, person, { organization: 'beta' })
  await administer('DELETE', `/v1/people/${stage.people.eve.id}?organisation_id=${stage.organisations.beta}`)
  await assert.rejects(client.refreshTokenGrant(config, given.refresh_token), refused('invalid_grant', 400))
  await assert.rejects(client.fetchUserInfo(config, given.access_token, given.claims().sub), refused('invalid_token', 401))
})

check('a client that is disabled is refused, and its tokens end', async () => {
  const { config, made } = await listening()
  const given = await tokens(config)
  await administer('PATCH', `/v1/clients/${made.id}`, { is_disabled: true })
  await assert.rejects(client.refreshTokenGrant(config, given.refresh_token), refused('invalid_client', 401))
  await assert.rejects(client.fetchUserInfo(config, given.access_token, given.claims().sub), refused('invalid_token', 401))
})

check('a new secret works beside the old one', async () => {
  const { config, made } = await listening()
  const { client_secret } = await administer('POST', `/v1/clients/${made.id}/secrets`)
  const renewed = await discover(made, client.ClientSecretBasic(client_secret))
  assert.ok((await tokens(config)).access_token)
  assert.ok((await tokens(renewed)).access_token)
})
