// Dynamic registration, and a client's care for itself afterwards.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { refused } from '../expect.mjs'
import { as, stage } from '../hub.mjs'
import { client, request } from '../relying-party.mjs'

const execute = [client.allowInsecureRequests]
const METADATA = {
  client_name: 'Registered',
  redirect_uris: ['https://registered.example/cb'],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid email',
  token_endpoint_auth_method: 'client_secret_post',
}

const register = (metadata, initialAccessToken = stage.registration, authentication) =>
  client.dynamicClientRegistration(new URL(stage.issuer), metadata, authentication, { initialAccessToken, execute })

async function managed(made, method, body) {
  const headers = { authorization: `Bearer ${made.registration_access_token}`, 'content-type': 'application/json' }
  const answer = await fetch(made.registration_client_uri, { method, headers, body: body && JSON.stringify(body) })
  return [answer.status, answer.status === 204 ? null : await answer.json()]
}

check('registration: a client registers itself and signs people in', async () => {
  const config = await register(METADATA)
  const asked = await request(config, { redirect_uri: METADATA.redirect_uris[0], scope: 'openid email' })
  const person = await as('ann')
  const back = (await person.submit(await person.open(asked.url), { decision: 'allow' })).outside
  const given = await client.authorizationCodeGrant(config, back, asked.expected)
  assert.equal(given.claims().aud, config.clientMetadata().client_id)
})

check('registration: a public native client', async () => {
  const native = { ...METADATA, application_type: 'native', token_endpoint_auth_method: 'none', redirect_uris: ['http://127.0.0.1/cb'] }
  const config = await register(native, stage.registration, client.None())
  assert.equal(config.clientMetadata().client_secret, undefined)
})

check('registration: not without an initial access token', () => assert.rejects(register(METADATA, 'wrong'), refused('invalid_token', 401)))

check('registration: a redirect_uri of plain http elsewhere', () =>
  assert.rejects(register({ ...METADATA, redirect_uris: ['http://evil.example/cb'] }), refused('invalid_redirect_uri', 400)))

check('registration: rights in the hub are not taken', async () => {
  const config = await register({ ...METADATA, scope: 'openid people:write' })
  assert.equal(config.clientMetadata().scope, 'openid')
})

check('registration: read, changed and removed by the client itself', async () => {
  const made = (await register(METADATA)).clientMetadata()
  assert.equal((await managed(made, 'GET'))[1].client_name, 'Registered')
  const { client_id } = made
  const [status, changed] = await managed(made, 'PUT', { ...METADATA, client_id, client_name: 'Renamed' })
  assert.deepEqual([status, changed.client_name], [200, 'Renamed'])
  assert.equal((await managed(made, 'DELETE'))[0], 204)
  assert.equal((await managed(made, 'GET'))[0], 401)
})

check('registration: another client’s token opens nothing', async () => {
  const [one, other] = await Promise.all([register(METADATA), register(METADATA)])
  const crossed = { ...other.clientMetadata(), registration_access_token: one.clientMetadata().registration_access_token }
  assert.equal((await managed(crossed, 'GET'))[0], 401)
})
