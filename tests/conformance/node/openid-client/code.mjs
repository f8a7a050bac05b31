// Discovery, and the authorization code flow with every way for a client to prove itself.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { check } from '../check.mjs'
import { refused, seen } from '../expect.mjs'
import { stage } from '../hub.mjs'
import { answered, client, configured, discover, tokens } from '../relying-party.mjs'

check('discovery: the document is the issuer’s own', async () => {
  const said = (await configured('basic')).serverMetadata()
  assert.equal(said.issuer, stage.issuer)
  assert.ok(said.supportsPKCE())
})

check('discovery: both well-known documents agree', async () => {
  const names = ['openid-configuration', 'oauth-authorization-server']
  const [one, other] = await Promise.all(names.map((name) => fetch(`${stage.issuer}/.well-known/${name}`).then((a) => a.json())))
  assert.deepEqual(one, other)
})

for (const name of ['basic', 'post', 'key']) {
  check(`code with PKCE: client by ${name}`, async () => {
    const given = await tokens(await configured(name))
    assert.equal(given.token_type, 'bearer')
    assert.equal(given.claims().sub, stage.people.ann.id)
    assert.equal(given.claims().org_id, stage.organisations.alpha)
  })
}

check('code with PKCE: native client, loopback at a port of its own', async () => {
  const given = await tokens(await configured('native'), 'ann', { redirect_uri: 'http://127.0.0.1:49152/cb' })
  assert.equal(given.claims().aud, stage.clients.native.client_id)
})

check('code with PKCE: native client, scheme of its own', async () => {
  const { back } = await answered(await configured('native'), 'ann', { redirect_uri: 'com.example.app:/cb' })
  assert.equal(back.protocol, 'com.example.app:')
  assert.ok(back.searchParams.get('code'))
})

check('ID token: signature, at_hash and times', async () => {
  const config = await discover(stage.clients.basic, client.ClientSecretBasic(stage.clients.basic.client_secret))
  client.enableNonRepudiationChecks(config)
  const given = await tokens(config)
  const half = createHash('sha256').update(given.access_token).digest().subarray(0, 16)
  assert.equal(given.claims().at_hash, half.toString('base64url'))
  assert.ok(given.claims().exp > Date.now() / 1000)
})

check('a foreign nonce is seen', async () => {
  const config = await configured('basic')
  const { back, expected } = await answered(config)
  await assert.rejects(client.authorizationCodeGrant(config, back, { ...expected, expectedNonce: 'another' }), seen(/"nonce"/))
})

check('a foreign state is seen', async () => {
  const config = await configured('basic')
  const { back, expected } = await answered(config)
  await assert.rejects(client.authorizationCodeGrant(config, back, { ...expected, expectedState: 'another' }), seen(/"state"/))
})

for (const [name, change] of [
  ['another issuer', (back) => back.searchParams.set('iss', 'https://evil.example')],
  ['no issuer', (back) => back.searchParams.delete('iss')],
]) {
  check(`mix-up: an answer with ${name} is seen`, async () => {
    const config = await configured('basic')
    const { back, expected } = await answered(config)
    assert.equal(back.searchParams.get('iss'), stage.issuer)
    change(back)
    await assert.rejects(client.authorizationCodeGrant(config, back, expected), seen(/"iss"/))
  })
}

check('a wrong verifier is refused', async () => {
  const config = await configured('basic')
  const { back, expected } = await answered(config)
  const wrong = { ...expected, pkceCodeVerifier: client.randomPKCECodeVerifier() }
  await assert.rejects(client.authorizationCodeGrant(config, back, wrong), refused('invalid_grant', 400))
})

check('no verifier is refused', async () => {
  const config = await configured('basic')
  const { back, expected } = await answered(config)
  const none = { ...expected, pkceCodeVerifier: undefined }
  await assert.rejects(client.authorizationCodeGrant(config, back, none), refused('invalid_request', 400))
})

check('a code is good once, and a second use ends what the first gave', async () => {
  const config = await configured('basic')
  const { back, expected } = await answered(config)
  const given = await client.authorizationCodeGrant(config, back, expected)
  await assert.rejects(client.authorizationCodeGrant(config, back, expected), refused('invalid_grant', 400))
  assert.equal((await client.tokenIntrospection(config, given.access_token)).active, false)
})

check('a code of another client is refused', async () => {
  const { back, expected } = await answered(await configured('basic'))
  await assert.rejects(client.authorizationCodeGrant(await configured('post'), back, expected), refused('invalid_grant', 400))
})

check('a code with another redirect_uri is refused', async () => {
  const config = await configured('native')
  const { back, expected } = await answered(config, 'ann', { redirect_uri: 'http://127.0.0.1:49152/cb' })
  back.port = '49153'
  await assert.rejects(client.authorizationCodeGrant(config, back, expected), refused('invalid_grant', 400))
})

check('a wrong secret is refused', async () => {
  const one = stage.clients.basic
  const config = await discover(one, client.ClientSecretBasic('wrong'))
  const { back, expected } = await answered(config)
  await assert.rejects(client.authorizationCodeGrant(config, back, expected), refused('invalid_client', 401))
})

check('a secret sent another way than registered is refused', async () => {
  const one = stage.clients.basic
  const config = await discover(one, client.ClientSecretPost(one.client_secret))
  const { back, expected } = await answered(config)
  await assert.rejects(client.authorizationCodeGrant(config, back, expected), refused('invalid_client', 401))
})
