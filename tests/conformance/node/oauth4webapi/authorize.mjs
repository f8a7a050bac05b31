// Malformed authorization requests: a page for the person where the client or its address is in doubt, else an error
// that the client can read.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { as, stage } from '../hub.mjs'
import { oauth, server } from './server.mjs'

const good = () => ({
  response_type: 'code',
  client_id: stage.clients.basic.client_id,
  redirect_uri: stage.callback,
  scope: 'openid',
  state: 'st',
  code_challenge: 'c'.repeat(43),
  code_challenge_method: 'S256',
})

async function opened(changed, more = '') {
  const query = new URLSearchParams({ ...good(), ...changed })
  for (const [name, value] of Object.entries(changed)) if (value === undefined) query.delete(name)
  return (await as('ann')).open(`/oauth/authorize?${query}${more}`)
}

const page = (what, changed, more) =>
  check(`authorize: ${what}: a page, and no way to the client`, async () => {
    const found = await opened(changed(), more)
    assert.equal(found.outside, undefined)
    assert.equal(found.status, 400)
    assert.doesNotMatch(found.html, /Traceback|psycopg|sqlalchemy/i)
  })

const told = (what, error, changed, more) =>
  check(`authorize: ${what}: ${error}`, async () => {
    const found = await opened(changed(), more)
    assert.ok(found.outside, `${found.status} ${found.html?.slice(0, 300)}`)
    assert.ok(found.outside.href.startsWith(stage.callback))
    const { state } = { ...good(), ...changed() }
    assert.throws(() => oauth.validateAuthResponse(known, { client_id: good().client_id }, found.outside, state), (thrown) => {
      assert.equal(thrown.error, error, thrown.stack)
      return true
    })
  })

let known
check('authorize: what the server can do', async () => {
  known = await server()
  assert.deepEqual(known.response_types_supported, ['code'])
})

page('no client_id', () => ({ client_id: undefined }))
page('an unknown client_id', () => ({ client_id: 'nobody' }))
page('a client_id with a null byte', () => ({ client_id: 'a\0b' }))
page('a client_id of another alphabet', () => ({ client_id: '库存' }))
page('a client_id twice', () => ({}), '&client_id=x')
page('no redirect_uri', () => ({ redirect_uri: undefined }))
page('a redirect_uri twice', () => ({}), '&redirect_uri=https://evil.example')
page('a redirect_uri with a fragment', () => ({ redirect_uri: `${stage.callback}#x` }))
page('a redirect_uri with more path', () => ({ redirect_uri: `${stage.callback}/../x` }))
page('a redirect_uri that is script', () => ({ redirect_uri: 'javascript:alert(1)' }))
page('a redirect_uri with a user', () => ({ redirect_uri: stage.callback.replace('https://', 'https://u@') }))
page('a redirect_uri that is no address', () => ({ redirect_uri: 'http://[::1' }))
page('a thousand parameters', () => ({}), '&x=1'.repeat(1_000))
page('a state of nine thousand signs', () => ({ state: 'x'.repeat(9_000) }))

told('no response_type', 'invalid_request', () => ({ response_type: undefined }))
told('an unknown response_type', 'unsupported_response_type', () => ({ response_type: 'nonsense' }))
told('an unknown prompt', 'invalid_request', () => ({ prompt: 'nonsense' }))
told('a negative max_age', 'invalid_request', () => ({ max_age: '-1' }))
told('a max_age that is none', 'invalid_request', () => ({ max_age: '1e9' }))
told('an unknown scope', 'invalid_scope', () => ({ scope: 'openid nonsense' }))
told('a challenge that is too short', 'invalid_request', () => ({ code_challenge: 'short' }))
told('a challenge with other signs', 'invalid_request', () => ({ code_challenge: '!'.repeat(43) }))
told('an unknown challenge method', 'invalid_request', () => ({ code_challenge_method: 'S512' }))
told('an unknown response_mode', 'invalid_request', () => ({ response_mode: 'fragment' }))
told('an organisation that is none', 'access_denied', () => ({ organization: 'nonsense', prompt: 'none' }))

for (const [what, changed] of [
  ['an unknown parameter', { nonsense: 'x' }],
  ['a language nobody speaks', { ui_locales: 'tlh' }],
  ['a display nobody has', { display: 'wap' }],
  ['a max_age beyond all time', { max_age: '9'.repeat(300) }],
]) {
  check(`authorize: ${what} is left aside`, async () => {
    const found = await opened(changed)
    assert.ok(found.outside?.searchParams.get('code'), String(found.outside ?? found.status))
  })
}
