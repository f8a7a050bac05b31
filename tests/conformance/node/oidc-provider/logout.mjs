// Sessions that end there end here, and the other way round.
import assert from 'node:assert/strict'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { check } from '../check.mjs'
import { sleep, stage } from '../hub.mjs'
import { domain, me, provided, signIn } from './provider.mjs'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const PROMISED = 2_000
const email = () => `lou@${domain('alpha')}`

const using = (perform) => async () => {
  const op = await provided()
  try {
    await perform(op, await signIn(op, email()))
  } finally {
    await op.close()
  }
}

check('back-channel: a session that ends there ends here', using(async (op, { person }) => {
  assert.ok(await me(person))
  const page = await person.open(`${op.issuer}/session/end`)
  const began = performance.now()
  await person.submit(page, {})
  while ((await me(person)) && performance.now() - began < 10_000) await sleep(20)
  assert.ok(performance.now() - began <= PROMISED)
  assert.deepEqual(op.told, ['success'])
}))

check('back-channel: another person’s session stays', using(async (op, { person }) => {
  const other = await signIn(op, `ida@${domain('alpha')}`)
  await person.submit(await person.open(`${op.issuer}/session/end`), {})
  assert.equal(await me(person), null)
  assert.ok(await me(other.person))
}))

check('sign-out here: the session there ends as well', using(async (op, { person }) => {
  const page = await person.signOut()
  assert.equal(page.url.origin, op.issuer)
  assert.ok(op.requests.some((one) => one.pathname === '/session/end' && one.searchParams.get('id_token_hint')))
  const after = await person.submit(page, {})
  assert.equal(after.url.href, `${stage.issuer}/signin`)
  assert.equal(await me(person), null)
}))

for (const [what, forge] of [
  ['is none', () => 'nonsense'],
  ['is signed by another key', async (op) => {
    const { privateKey } = await generateKeyPair('RS256')
    return logoutToken(op, privateKey, { alg: 'RS256', kid: 'another' })
  }],
  ['brings its own key', async (op) => {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
    return logoutToken(op, privateKey, { alg: 'RS256', jwk: await exportJWK(publicKey) })
  }],
]) {
  check(`back-channel: a logout token that ${what} ends nothing`, using(async (op, { person }) => {
    const body = new URLSearchParams({ logout_token: await forge(op) })
    const answer = await fetch(op.hub.backchannel_logout_uri, { method: 'POST', body })
    assert.deepEqual([answer.status, (await answer.json()).error], [400, 'invalid_request'])
    assert.ok(await me(person))
  }))
}

const logoutToken = (op, key, header) =>
  new SignJWT({ iss: op.issuer, aud: 'hub', sub: email(), jti: crypto.randomUUID(), events: { [EVENT]: {} } })
    .setProtectedHeader({ ...header, typ: 'logout+jwt' })
    .setIssuedAt()
    .setExpirationTime('2m')
    .sign(key)
