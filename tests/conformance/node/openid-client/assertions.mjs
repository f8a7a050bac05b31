// private_key_jwt: what an assertion must be.
import assert from 'node:assert/strict'
import { generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { check } from '../check.mjs'
import { stage } from '../hub.mjs'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const now = () => Math.floor(Date.now() / 1000)

const claims = (changed = {}) => {
  const id = stage.clients.service_key.client_id
  return { iss: id, sub: id, aud: stage.issuer, jti: crypto.randomUUID(), iat: now(), exp: now() + 60, ...changed }
}

async function signed(payload, header = {}, key) {
  const { jwk } = stage.clients.service_key
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: jwk.kid, ...header }).sign(key ?? (await importJWK(jwk, 'ES256')))
}

async function asked(assertion) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion: assertion })
  const answer = await fetch(`${stage.issuer}/oauth/token`, { method: 'POST', body })
  return [answer.status, (await answer.json()).error]
}

// 401 is for who sent an Authorization header (RFC 6749 §5.2).
const REFUSED = [400, 'invalid_client']

check('assertion: a right one, by jose', async () => assert.deepEqual(await asked(await signed(claims())), [200, undefined]))

check('assertion: for the token endpoint by its address', async () =>
  assert.deepEqual(await asked(await signed(claims({ aud: `${stage.issuer}/oauth/token` }))), [200, undefined]))

check('assertion: the same a second time', async () => {
  const assertion = await signed(claims())
  assert.deepEqual(await asked(assertion), [200, undefined])
  assert.deepEqual(await asked(assertion), REFUSED)
})

for (const [what, changed] of [
  ['for another audience', { aud: 'https://evil.example' }],
  ['expired', { iat: now() - 900, exp: now() - 600 }],
  ['without an end', { exp: undefined }],
  ['without a jti', { jti: undefined }],
  ['valid for a day', { exp: now() + 86_400 }],
  ['from another issuer', { iss: 'another' }],
  ['of another client', { sub: 'another' }],
]) {
  check(`assertion: ${what}`, async () => assert.deepEqual(await asked(await signed(claims(changed))), REFUSED))
}

check('assertion: by a key it brings along (jwk, jku)', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await crypto.subtle.exportKey('jwk', publicKey)
  for (const header of [{ jwk }, { jwk, kid: undefined }, { jku: 'https://evil.example/jwks' }]) {
    assert.deepEqual(await asked(await signed(claims(), header, privateKey)), REFUSED)
  }
})

check('assertion: unsigned', async () => {
  const unsigned = new UnsecuredJWT(claims()).encode()
  assert.deepEqual(await asked(unsigned), REFUSED)
})

check('assertion: by the public key as a shared secret (HS256)', async () => {
  const { d, ...open } = stage.clients.service_key.jwk
  const secret = new TextEncoder().encode(JSON.stringify(open))
  assert.deepEqual(await asked(await signed(claims(), { alg: 'HS256' }, secret)), REFUSED)
})
