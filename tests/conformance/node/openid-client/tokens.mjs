// What a client does with tokens: userinfo, refresh, introspection, revocation, exchange, and service accounts.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { refused } from '../expect.mjs'
import { as, sleep, stage } from '../hub.mjs'
import { client, configured, tokens } from '../relying-party.mjs'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const GRACE = 1_300

const exchange = (config, token, more) =>
  client.genericGrantRequest(config, EXCHANGE, { subject_token: token, subject_token_type: ACCESS_TOKEN, ...more })

check('userinfo: what profile and email tell', async () => {
  const config = await configured('basic')
  const given = await tokens(config)
  const said = await client.fetchUserInfo(config, given.access_token, given.claims().sub)
  assert.deepEqual([said.email, said.email_verified, said.name], [stage.people.ann.email, true, 'ann'])
})

check('userinfo: a foreign subject is seen', async () => {
  const config = await configured('basic')
  const given = await tokens(config)
  await assert.rejects(client.fetchUserInfo(config, given.access_token, stage.people.bob.id))
})

check('userinfo: without the scopes it tells the subject alone', async () => {
  const config = await configured('basic')
  const given = await tokens(config, 'ann', { scope: 'openid' })
  const said = await client.fetchUserInfo(config, given.access_token, given.claims().sub)
  assert.equal(said.email, undefined)
  assert.equal(said.name, undefined)
})

check('userinfo: a token narrowed to no openid lacks scope', async () => {
  const config = await configured('basic')
  const given = await tokens(config, 'ann', { scope: 'openid inventory:read' })
  const narrow = await client.refreshTokenGrant(config, given.refresh_token, { scope: 'inventory:read' })
  const asked = client.fetchUserInfo(config, narrow.access_token, given.claims().sub)
  await assert.rejects(asked, refused('insufficient_scope', 403))
})

check('userinfo: what is no token is challenged by name', async () => {
  const config = await configured('basic')
  await assert.rejects(client.fetchUserInfo(config, 'no-token', stage.people.ann.id), refused('invalid_token', 401))
})

check('refresh: a new access token, ID token and refresh token', async () => {
  const config = await configured('basic')
  const first = await tokens(config)
  const second = await client.refreshTokenGrant(config, first.refresh_token)
  assert.notEqual(second.refresh_token, first.refresh_token)
  assert.equal(second.claims().sub, first.claims().sub)
  assert.equal(second.claims().auth_time, first.claims().auth_time)
})

check('refresh: two at once get the same successor', async () => {
  const config = await configured('basic')
  const { refresh_token } = await tokens(config)
  const both = await Promise.all([1, 2].map(() => client.refreshTokenGrant(config, refresh_token)))
  assert.equal(both[0].refresh_token, both[1].refresh_token)
  await client.refreshTokenGrant(config, both[0].refresh_token)
})

check('refresh: reuse after the grace ends the family', async () => {
  const config = await configured('basic')
  const first = await tokens(config)
  const second = await client.refreshTokenGrant(config, first.refresh_token)
  await sleep(GRACE)
  await assert.rejects(client.refreshTokenGrant(config, first.refresh_token), refused('invalid_grant', 400))
  await assert.rejects(client.refreshTokenGrant(config, second.refresh_token), refused('invalid_grant', 400))
  assert.equal((await client.tokenIntrospection(config, second.access_token)).active, false)
})

check('refresh: scopes may be narrowed, not widened', async () => {
  const config = await configured('basic')
  const given = await tokens(config, 'ann', { scope: 'openid email' })
  const narrow = await client.refreshTokenGrant(config, given.refresh_token, { scope: 'openid' })
  assert.equal(narrow.scope, 'openid')
  const wide = client.refreshTokenGrant(config, narrow.refresh_token, { scope: 'openid inventory:read' })
  await assert.rejects(wide, refused('invalid_scope', 400))
})

check('refresh: another client’s token is refused', async () => {
  const given = await tokens(await configured('basic'))
  await assert.rejects(client.refreshTokenGrant(await configured('post'), given.refresh_token), refused('invalid_grant', 400))
})

check('introspection: a living access token and refresh token', async () => {
  const config = await configured('basic')
  const given = await tokens(config)
  const access = await client.tokenIntrospection(config, given.access_token)
  assert.deepEqual([access.active, access.sub, access.client_id], [true, stage.people.ann.id, stage.clients.basic.client_id])
  assert.equal((await client.tokenIntrospection(config, given.refresh_token)).active, true)
})

check('introspection: what is no token is inactive and nothing more', async () => {
  assert.deepEqual({ ...(await client.tokenIntrospection(await configured('basic'), 'no-token')) }, { active: false })
})

check('introspection: another organisation’s client learns nothing', async () => {
  const given = await tokens(await configured('basic'), 'bob')
  assert.equal((await client.tokenIntrospection(await configured('beta'), given.access_token)).active, false)
})

check('revocation: an access token alone', async () => {
  const config = await configured('basic')
  const given = await tokens(config)
  await client.tokenRevocation(config, given.access_token)
  await assert.rejects(client.fetchUserInfo(config, given.access_token, given.claims().sub), refused('invalid_token', 401))
  await client.refreshTokenGrant(config, given.refresh_token)
})

check('revocation: a refresh token with all beside it', async () => {
  const config = await configured('basic')
  const given = await tokens(config)
  await client.tokenRevocation(config, given.refresh_token)
  assert.equal((await client.tokenIntrospection(config, given.access_token)).active, false)
  await assert.rejects(client.refreshTokenGrant(config, given.refresh_token), refused('invalid_grant', 400))
})

check('revocation: another client’s token stays', async () => {
  const config = await configured('basic')
  const given = await tokens(config)
  await client.tokenRevocation(await configured('post'), given.refresh_token)
  assert.equal((await client.tokenIntrospection(config, given.refresh_token)).active, true)
})

check('exchange: the token of another organisation, without a new sign-in', async () => {
  const config = await configured('basic')
  const given = await tokens(config, 'eve')
  const other = await exchange(config, given.access_token, { organization: 'beta' })
  assert.equal(other.issued_token_type, ACCESS_TOKEN)
  const found = await client.tokenIntrospection(config, other.access_token)
  assert.deepEqual([found.org_id, found.sub], [stage.organisations.beta, stage.people.eve.id])
})

check('exchange: an organisation of which one is no member is refused', async () => {
  const config = await configured('basic')
  const given = await tokens(config, 'ann')
  await assert.rejects(exchange(config, given.access_token, { organization: 'beta' }), refused('invalid_request', 400))
})

check('exchange: another client’s token is refused', async () => {
  const given = await tokens(await configured('basic'), 'eve')
  const other = exchange(await configured('post'), given.access_token, { organization: 'beta' })
  await assert.rejects(other, refused('invalid_grant', 400))
})

for (const name of ['service', 'service_key']) {
  check(`client credentials: ${name}`, async () => {
    const given = await client.clientCredentialsGrant(await configured(name), { scope: 'feeds:read' })
    assert.deepEqual([given.scope, given.refresh_token, given.id_token], ['feeds:read', undefined, undefined])
    const answer = await fetch(`${stage.issuer}/v1/me`, { headers: { authorization: `Bearer ${given.access_token}` } })
    const me = await answer.json()
    assert.deepEqual([me.kind, me.organisation_id], ['client', stage.organisations.alpha])
  })
}

check('client credentials: a scope not its own is refused', async () => {
  const wanted = client.clientCredentialsGrant(await configured('service'), { scope: 'people:write' })
  await assert.rejects(wanted, refused('invalid_scope', 400))
})

check('client credentials: not for clients of people', async () => {
  await assert.rejects(client.clientCredentialsGrant(await configured('basic')), refused('unauthorized_client', 400))
})

check('password grant: not there', async () => {
  const given = { username: stage.people.ann.email, password: stage.password }
  await assert.rejects(client.genericGrantRequest(await configured('basic'), 'password', given), refused('unsupported_grant_type', 400))
})

check('a token names one organisation, and opens that alone', async () => {
  await as('eve')
  const config = await configured('basic')
  const given = await tokens(config, 'eve', { scope: 'openid inventory:read', organization: 'beta' })
  assert.equal(given.claims().org_id, stage.organisations.beta)
  assert.equal(given.claims().home_org_id, stage.organisations.alpha)
  const answer = await client.fetchProtectedResource(config, given.access_token, new URL(`${stage.issuer}/v1/me`), 'GET')
  assert.deepEqual((await answer.json()).readable, [stage.organisations.beta])
})
