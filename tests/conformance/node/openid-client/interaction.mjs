// What a client may ask of the person in between: sign in again, agree, choose an organisation; and how it is told no.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { refused } from '../expect.mjs'
import { as, browser, fresh, sleep, stage } from '../hub.mjs'
import { answered, client, configured, request, tokens } from '../relying-party.mjs'

// The client reads the error out of the answer, which names state and issuer as a good one does.
async function told(error, person, changed, name = 'basic') {
  const config = await configured(name)
  const { back, expected } = await answered(config, person, changed)
  assert.equal(back.searchParams.get('iss'), stage.issuer)
  await assert.rejects(client.authorizationCodeGrant(config, back, expected), (thrown) => {
    assert.equal(thrown.code, 'OAUTH_AUTHORIZATION_RESPONSE_ERROR', thrown.stack)
    return refused(error)(thrown)
  })
}

check('prompt=none without a session: login_required', () => told('login_required', browser(), { prompt: 'none' }))

check('prompt=none with a session: a code', async () => {
  const given = await tokens(await configured('basic'), 'ann', { prompt: 'none' })
  assert.equal(given.claims().sub, stage.people.ann.id)
})

check('prompt=none before consent: consent_required', () => told('consent_required', 'bob', { prompt: 'none' }, 'beta'))
check('prompt=none login: invalid_request', () => told('invalid_request', 'ann', { prompt: 'none login' }))

check('prompt=login: signs in again, and auth_time says so', async () => {
  const config = await configured('basic')
  const person = await fresh('ann')
  const first = await tokens(config, person)
  await sleep(1_100)
  const asked = await request(config, { prompt: 'login' })
  const page = await person.open(asked.url)
  const back = (await person.signIn('ann', page)).outside
  const second = await client.authorizationCodeGrant(config, back, asked.expected)
  assert.ok(second.claims().auth_time > first.claims().auth_time)
})

check('max_age: an older session signs in again', async () => {
  const config = await configured('basic')
  const person = await fresh('ann')
  await sleep(2_100)
  const asked = await request(config, { max_age: '1' })
  const page = await person.open(asked.url)
  assert.equal(page.url.pathname, '/signin')
  const back = (await person.signIn('ann', page)).outside
  await client.authorizationCodeGrant(config, back, { ...asked.expected, maxAge: 1 })
})

check('max_age: a young session goes on, with auth_time', async () => {
  const config = await configured('basic')
  const { back, expected } = await answered(config, 'ann', { max_age: '3600' })
  const given = await client.authorizationCodeGrant(config, back, { ...expected, maxAge: 3600 })
  assert.ok(given.claims().auth_time > 0)
})

check('max_age=0 without a page: login_required', () => told('login_required', 'ann', { max_age: '0', prompt: 'none' }))

check('consent: asked of people, allowed, remembered', async () => {
  const config = await configured('consent')
  const person = await as('ann')
  const asked = await request(config)
  const page = await person.open(asked.url)
  const back = (await person.submit(page, { decision: 'allow' })).outside
  await client.authorizationCodeGrant(config, back, asked.expected)
  await tokens(config, person, { prompt: 'none' })
})

check('consent: more than was agreed is asked for again', () =>
  told('consent_required', 'ann', { prompt: 'none', scope: 'openid profile email inventory:read' }, 'consent'))

check('prompt=consent: asked again, and refused', async () => {
  const config = await configured('consent')
  const person = await as('ann')
  const asked = await request(config, { prompt: 'consent' })
  const page = await person.open(asked.url)
  const back = (await person.submit(page, { decision: 'deny' })).outside
  assert.equal(back.searchParams.get('iss'), stage.issuer)
  await assert.rejects(client.authorizationCodeGrant(config, back, asked.expected), refused('access_denied'))
})

check('select_account: the person chooses the organisation', async () => {
  const config = await configured('basic')
  const person = await as('eve')
  const asked = await request(config, { prompt: 'select_account' })
  const page = await person.open(asked.url)
  const back = (await person.submit(page, { organization: stage.organisations.beta })).outside
  const given = await client.authorizationCodeGrant(config, back, asked.expected)
  assert.equal(given.claims().org_id, stage.organisations.beta)
})

check('organization: one of which the person is no member is denied', () => told('access_denied', 'ann', { organization: 'beta' }))

check('organization: one the client does not serve is denied', () => told('access_denied', 'ann', {}, 'beta'))

for (const [what, changed, error] of [
  ['response_type=token', { response_type: 'token' }, 'unsupported_response_type'],
  ['response_mode=form_post', { response_mode: 'form_post' }, 'invalid_request'],
  ['a request object', { response_type: 'code', request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
  ['a request_uri', { response_type: 'code', request_uri: 'https://evil.example/r' }, 'request_uri_not_supported'],
  ['a scope that is none', { scope: 'openid nonsense' }, 'invalid_scope'],
  ['no code_challenge', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
  ['code_challenge_method=plain', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['another resource', { resource: 'https://evil.example' }, 'invalid_target'],
]) {
  check(`the client is told of ${what}`, () => told(error, 'ann', changed))
}

check('a wrong redirect_uri is told to the person alone', async () => {
  const asked = await request(await configured('basic'), { redirect_uri: `${stage.callback}/other` })
  const page = await (await as('ann')).open(asked.url)
  assert.equal(page.status, 400)
  assert.match(page.headers.get('content-security-policy'), /frame-ancestors 'none'/)
})

check('a posted authorization request is taken like the other', async () => {
  const config = await configured('basic')
  const asked = await request(config)
  const [address, body] = [new URL(asked.url), asked.url.searchParams]
  address.search = ''
  const page = await (await as('ann')).open(address, { method: 'POST', body })
  await client.authorizationCodeGrant(config, page.outside, asked.expected)
})
