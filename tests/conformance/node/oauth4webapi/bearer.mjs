// Access tokens before a resource server: a peer verifies ours (RFC 9068), ours refuses what is forged.
import assert from 'node:assert/strict'
import { generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { check } from '../check.mjs'
import { stage } from '../hub.mjs'
import { client, configured, tokens } from '../relying-party.mjs'
import { insecure, oauth, server } from './server.mjs'

const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } })
const parts = (token) => token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')))
const given = async () => tokens(await configured('basic'))

async function refused(token) {
  for (const path of ['/oauth/userinfo', '/v1/me']) {
    const answer = await fetch(`${stage.issuer}${path}`, bearer(token))
    assert.equal(answer.status, 401, path)
    assert.match(answer.headers.get('www-authenticate'), /^Bearer/)
  }
  const asked = await client.tokenIntrospection(await configured('basic'), token)
  assert.equal(asked.active, false)
}

check('bearer: a resource server of another maker verifies our access token', async () => {
  const { access_token } = await given()
  const request = new Request('https://resource.example/', bearer(access_token))
  const claims = await oauth.validateJwtAccessToken(await server(), request, stage.issuer, insecure)
  assert.equal(claims.sub, stage.people.ann.id)
  assert.equal(claims.client_id, stage.clients.basic.client_id)
})

check('bearer: and refuses it for another audience', async () => {
  const { access_token } = await given()
  const request = new Request('https://resource.example/', bearer(access_token))
  await assert.rejects(oauth.validateJwtAccessToken(await server(), request, 'https://resource.example', insecure))
})

check('bearer: an ID token is no access token', async () => refused((await given()).id_token))
check('bearer: a refresh token is no access token', async () => {
  const { refresh_token } = await given()
  const answer = await fetch(`${stage.issuer}/oauth/userinfo`, bearer(refresh_token))
  assert.equal(answer.status, 401)
})

check('bearer: unsigned (alg none)', async () => {
  const [header, claims] = parts((await given()).access_token)
  const none = Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url')
  await refused(new UnsecuredJWT(claims).encode())
  await refused(`${none}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`)
})

check('bearer: signed with the public key as a shared secret (HS256)', async () => {
  const [header, claims] = parts((await given()).access_token)
  const { keys } = await (await fetch(`${stage.issuer}/oauth/jwks`)).json()
  const secret = Buffer.from(JSON.stringify(keys.find((key) => key.kid === header.kid)))
  await refused(await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(secret))
})

for (const what of ['jwk', 'jku', 'x5u']) {
  check(`bearer: signed with a key it brings along (${what})`, async () => {
    const [header, claims] = parts((await given()).access_token)
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
    const brought = what === 'jwk' ? await crypto.subtle.exportKey('jwk', publicKey) : 'https://evil.example/keys'
    await refused(await new SignJWT(claims).setProtectedHeader({ ...header, [what]: brought }).sign(privateKey))
  })
}

check('bearer: signed by a client’s own key', async () => {
  const [header, claims] = parts((await given()).access_token)
  const { jwk } = stage.clients.service_key
  const key = await importJWK(jwk, 'ES256')
  await refused(await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'ES256', kid: jwk.kid }).sign(key))
})

check('bearer: one sign changed', async () => {
  const { access_token } = await given()
  const [header, claims, signature] = access_token.split('.')
  const other = Buffer.from(JSON.stringify({ ...parts(access_token)[1], sub: stage.people.bob.id })).toString('base64url')
  await refused(`${header}.${other}.${signature}`)
  await refused(`${header}.${claims}.${signature.slice(0, -4)}AAAA`)
})

check('bearer: in the address or in a form it does not count', async () => {
  const { access_token } = await given()
  const userinfo = `${stage.issuer}/oauth/userinfo`
  assert.equal((await fetch(`${userinfo}?access_token=${access_token}`)).status, 401)
  const body = new URLSearchParams({ access_token })
  assert.equal((await fetch(userinfo, { method: 'POST', body })).status, 401)
})

check('bearer: no token is challenged without an error', async () => {
  const answer = await fetch(`${stage.issuer}/oauth/userinfo`)
  assert.equal(answer.status, 401)
  assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
})

for (const [what, header] of [
  ['two tokens', 'Bearer a b'],
  ['an empty token', 'Bearer '],
  ['a token of a megabyte', `Bearer ${'x'.repeat(15_000)}`],
  ['dots alone', 'Bearer ..'],
  ['a key id that is none', `Bearer ${Buffer.from('{"alg":"RS256","typ":"at+jwt","kid":"\\u0000"}').toString('base64url')}.e30.AAAA`],
  ['a header that is a list', `Bearer ${Buffer.from('[]').toString('base64url')}.e30.AAAA`],
  ['claims that are a list', `Bearer ${Buffer.from('{"alg":"RS256","typ":"at+jwt","kid":1}').toString('base64url')}.W10.AAAA`],
]) {
  check(`bearer: ${what}`, async () => {
    for (const path of ['/oauth/userinfo', '/v1/me']) {
      const answer = await fetch(`${stage.issuer}${path}`, { headers: { authorization: header } })
      assert.equal(answer.status, 401, `${path}: ${await answer.text()}`)
    }
  })
}
