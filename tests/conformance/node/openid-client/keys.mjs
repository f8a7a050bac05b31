// Signing keys change while clients run.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { fresh, stage } from '../hub.mjs'
import { client, configured, discover, tokens } from '../relying-party.mjs'

const kid = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).kid

// A client that signs nobody in but by a signature it has verified.
async function strict(keys) {
  const one = stage.clients.basic
  const config = await discover(one, client.ClientSecretBasic(one.client_secret))
  if (keys) client.setJwksCache(config, keys)
  client.enableNonRepudiationChecks(config)
  return config
}

check('key rotation: a client that knows the older keys picks the new one up', async () => {
  const config = await strict()
  const before = await tokens(config)
  const { kid: next } = await fetch(`${stage.issuer}/stage/rotate`, { method: 'POST' }).then((answer) => answer.json())
  // It looks again for a key it does not know, once a minute at most.
  const a_minute_ago = Math.floor(Date.now() / 1000) - 61
  const after = await tokens(await strict({ ...client.getJwksCache(config), uat: a_minute_ago }))
  assert.equal(kid(after.id_token), next)
  assert.notEqual(kid(before.id_token), next)
})

check('key rotation: what the old key signed still holds', async () => {
  const config = await configured('basic')
  const person = await fresh('ann')
  const before = await tokens(config, person)
  await fetch(`${stage.issuer}/stage/rotate`, { method: 'POST' })
  assert.equal((await client.tokenIntrospection(config, before.access_token)).active, true)
  const leave = { id_token_hint: before.id_token, post_logout_redirect_uri: stage.goodbye }
  assert.ok((await person.open(client.buildEndSessionUrl(config, leave))).outside)
})
