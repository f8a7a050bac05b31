// Malformed requests at the endpoints for clients: an OAuth error that fits, never more.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { stage } from '../hub.mjs'
import { basic, sent } from './server.mjs'

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const service = () => stage.clients.service
const form = (...pairs) => new URLSearchParams(pairs)
const GRANT = ['grant_type', 'client_credentials']
const bytes = (text) => Buffer.from(text, 'latin1')
const EXCHANGE = ['grant_type', 'urn:ietf:params:oauth:grant-type:token-exchange']

const INVALID = [400, 'invalid_request']
const table = {
  token: [
    ['a parameter twice', () => ({ body: form(GRANT, GRANT) }), INVALID],
    ['a scope twice', () => ({ body: form(GRANT, ['scope', 'feeds:read'], ['scope', 'feeds:read']) }), INVALID],
    ['no parameter at all', () => ({ body: form() }), INVALID],
    ['no grant_type', () => ({ body: form(['scope', 'feeds:read']) }), INVALID],
    ['an empty grant_type', () => ({ body: form(['grant_type', '']) }), INVALID],
    ['an unknown grant_type', () => ({ body: form(['grant_type', 'nonsense']) }), [400, 'unsupported_grant_type']],
    ['a grant_type with quotes', () => ({ body: form(['grant_type', '"\\']) }), INVALID],
    ['parameters in the address', () => ({ body: form(), query: '?grant_type=client_credentials' }), INVALID],
    ['JSON', () => ({ body: JSON.stringify({ grant_type: 'client_credentials' }), headers: { ...basic(service()), 'content-type': 'application/json' } }), INVALID],
    ['a multipart form', () => {
      const body = new FormData()
      body.set(...GRANT)
      return { body }
    }, INVALID],
    ['no content type', () => ({ body: new Blob(['grant_type=client_credentials']) }), INVALID],
    ['a value of a megabyte', () => ({ body: form(GRANT, ['scope', 'x'.repeat(1 << 20)]) }), INVALID],
    ['ten thousand parameters', () => ({ body: form(GRANT, ...Array.from({ length: 10_000 }, (_, n) => [`p${n}`, 'x'])) }), INVALID],
    ['a null byte', () => ({ body: form(GRANT, ['scope', 'feeds:read\0']) }), INVALID],
    ['bytes that are no UTF-8', () => ({ body: bytes('grant_type=client_credentials&scope=\xff\xfe'), headers: { ...basic(service()), ...FORM } }), INVALID],
    ['another alphabet', () => ({ body: form(GRANT, ['scope', '库存']) }), INVALID],
    ['an unknown parameter', () => ({ body: form(GRANT, ['nonsense', 'x']) }), [200]],
    ['a code that is none', () => ({ body: form(['grant_type', 'authorization_code'], ['code', 'x'], ['redirect_uri', stage.callback], ['code_verifier', 'v'.repeat(43)]), headers: basic(stage.clients.basic) }), [400, 'invalid_grant']],
    ['no code', () => ({ body: form(['grant_type', 'authorization_code'], ['redirect_uri', stage.callback]), headers: basic(stage.clients.basic) }), INVALID],
    ['no refresh_token', () => ({ body: form(['grant_type', 'refresh_token']), headers: basic(stage.clients.basic) }), INVALID],
    ['no subject_token', () => ({ body: form(EXCHANGE), headers: basic(stage.clients.basic) }), INVALID],
    ['a subject_token of another kind', () => ({ body: form(EXCHANGE, ['subject_token', 'x'], ['subject_token_type', 'urn:ietf:params:oauth:token-type:saml2']), headers: basic(stage.clients.basic) }), INVALID],
    ['a subject_token that is none', () => ({ body: form(EXCHANGE, ['subject_token', 'x'], ['subject_token_type', 'urn:ietf:params:oauth:token-type:access_token']), headers: basic(stage.clients.basic) }), [400, 'invalid_grant']],
    ['no proof of the client', () => ({ body: form(GRANT), headers: {} }), [401, 'invalid_client']],
    ['credentials that are no base64', () => ({ body: form(GRANT), headers: { authorization: 'Basic %%%' } }), [401, 'invalid_client']],
    ['credentials without a colon', () => ({ body: form(GRANT), headers: { authorization: `Basic ${btoa('nobody')}` } }), [401, 'invalid_client']],
    ['credentials that are no UTF-8', () => ({ body: form(GRANT), headers: { authorization: `Basic ${btoa('\xff:\xfe')}` } }), [401, 'invalid_client']],
    ['an unknown client', () => ({ body: form(GRANT), headers: basic({ client_id: 'nobody', client_secret: 'x' }) }), [401, 'invalid_client']],
    ['another scheme', () => ({ body: form(GRANT), headers: { authorization: 'Bearer x' } }), [401, 'invalid_client']],
    ['two proofs at once', () => ({ body: form(GRANT, ['client_id', service().client_id], ['client_secret', service().client_secret]) }), INVALID],
    ['a secret client with its id alone', () => ({ body: form(GRANT, ['client_id', service().client_id]), headers: {} }), [401, 'invalid_client']],
    ['an assertion of another type', () => ({ body: form(GRANT, ['client_assertion_type', 'x'], ['client_assertion', 'x']), headers: {} }), [401, 'invalid_client']],
    ['an assertion that is none', () => ({ body: form(GRANT, ['client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'], ['client_assertion', 'a.b.c']), headers: {} }), [400, 'invalid_client']],
  ],
  introspection: [
    ['no token', () => ({ body: form() }), INVALID],
    ['a token twice', () => ({ body: form(['token', 'x'], ['token', 'y']) }), INVALID],
    ['no proof of the client', () => ({ body: form(['token', 'x']), headers: {} }), [401, 'invalid_client']],
    ['a public client', () => ({ body: form(['token', 'x'], ['client_id', stage.clients.native.client_id]), headers: {} }), [401, 'invalid_client']],
    ['a token of a megabyte', () => ({ body: form(['token', 'x'.repeat(1 << 20)]) }), INVALID],
    ['a hint nobody knows', () => ({ body: form(['token', 'x'], ['token_type_hint', 'nonsense']) }), [200]],
  ],
  revocation: [
    ['no token', () => ({ body: form() }), INVALID],
    ['a token twice', () => ({ body: form(['token', 'x'], ['token', 'y']) }), INVALID],
    ['a token that is none', () => ({ body: form(['token', 'x']) }), [200]],
    ['a wrong secret', () => ({ body: form(['token', 'x']), headers: basic({ ...service(), client_secret: 'x' }) }), [401, 'invalid_client']],
  ],
  device_authorization: [
    ['an unknown client', () => ({ body: form(['client_id', 'nobody']), headers: {} }), [400, 'invalid_client']],
    ['a client without that grant', () => ({ body: form() }), [400, 'unauthorized_client']],
    ['a scope twice', () => ({ body: form(['client_id', stage.clients.device.client_id], ['scope', 'openid'], ['scope', 'email']), headers: {} }), INVALID],
    ['a scope of a megabyte', () => ({ body: form(['client_id', stage.clients.device.client_id], ['scope', 'x'.repeat(1 << 20)]), headers: {} }), INVALID],
  ],
}

for (const [endpoint, rows] of Object.entries(table)) {
  for (const [what, request, expected] of rows) {
    check(`${endpoint}: ${what}`, async () => assert.deepEqual(await sent(endpoint, request()), expected))
  }
  check(`${endpoint}: GET`, async () => {
    const answer = await fetch(`${stage.issuer}/oauth/${{ introspection: 'introspect', revocation: 'revoke' }[endpoint] ?? endpoint}`)
    assert.equal(answer.status, 405)
  })
}

check('token: errors are not kept either', async () => {
  const answer = await fetch(`${stage.issuer}/oauth/token`, { method: 'POST', body: form() })
  assert.match(answer.headers.get('cache-control'), /no-store/)
  assert.match(answer.headers.get('content-type'), /^application\/json/)
})
