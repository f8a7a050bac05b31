// Signing in at an organisation's own provider.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { administer, browser, sleep, stage } from '../hub.mjs'
import { arrive, domain, me, provided, signIn } from './provider.mjs'

const SPENT = /was begun in another browser/
const at = (name, organisation = 'alpha') => `${name}@${domain(organisation)}`

const using = (options, perform) => async () => {
  const op = await provided(options)
  try {
    await perform(op)
  } finally {
    await op.close()
  }
}

// What the hub says to a person it does not let in.
async function refused(person, page, why, status = 403) {
  assert.equal(page.status, status, `${page.url} ${page.html.slice(0, 500)}`)
  assert.match(page.html, why)
  assert.equal(await me(person), null)
}

check('home realm: the e-mail leads to the provider, and a member is made', using({}, async (op) => {
  const { person } = await signIn(op, at('ned'))
  const found = await me(person)
  assert.deepEqual([found.email, found.organisation_id, found.name, found.locale], [at('ned'), stage.organisations.alpha, 'ned', 'en'])
}))

check('home realm: the request is as OAuth 2.1 wants it', using({}, async (op) => {
  await arrive(browser(op.issuer), at('ned'))
  const asked = op.requests.find((one) => one.pathname === '/auth').searchParams
  assert.equal(asked.get('redirect_uri'), op.hub.redirect_uri)
  assert.equal(asked.get('code_challenge_method'), 'S256')
  assert.equal(asked.get('login_hint'), at('ned'))
  for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(asked.get(name).length >= 43, name)
}))

check('home realm: a domain of nobody has no sign-in of its own', async () => {
  const page = await arrive(browser(), 'someone@nobody.example')
  assert.equal(page.status, 404)
})

check('the same person comes back as the same account', using({}, async (op) => {
  const [one, other] = [await signIn(op, at('mia')), await signIn(op, at('mia'))]
  assert.equal((await me(one.person)).id, (await me(other.person)).id)
}))

check('after signing in there one is where one wanted to go', using({}, async (op) => {
  const person = browser(op.issuer)
  const login = await arrive(person, at('ned'), '/account')
  const consent = await person.submit(login, { login: at('ned'), password: 'any' })
  const page = await person.submit(consent, { prompt: 'consent' })
  assert.equal(page.url.href, `${stage.issuer}/account`)
}))

check('who refuses there is not signed in here', using({}, async (op) => {
  const person = browser(op.issuer)
  const login = await arrive(person, at('ned'))
  const page = await person.open(`${login.url}/abort`)
  await refused(person, page, /access_denied/)
}))

check('an address that was not verified is not believed', using({ claims: { email_verified: false } }, async (op) => {
  const { person, page } = await signIn(op, at('uma'))
  await refused(person, page, /does not say that it has verified/)
}))

for (const [what, email] of [
  ['another organisation’s domain', () => at('ann', 'beta')],
  ['a domain of nobody', () => 'root@nobody.example'],
  ['the group’s administrator', () => stage.people.root.email],
]) {
  check(`a provider cannot speak for ${what}`, using({ claims: {} }, async (op) => {
    await op.restart({ email: email() })
    const { person, page } = await signIn(op, at('oz'))
    await refused(person, page, /lies in no domain/)
  }))
}

// The address with which the provider sends the browser back, before the hub has seen it.
async function returning(op, email) {
  const person = browser(op.issuer)
  const login = await arrive(person, email)
  const consent = await person.submit(login, { login: email, password: 'any' })
  const answer = await person.ask(new URL(consent.html.match(/action="([^"]*)"/)[1], consent.url), { method: 'POST', body: new URLSearchParams({ prompt: 'consent' }) })
  const resumed = await person.ask(new URL(answer.headers.get('location'), consent.url))
  return { person, back: new URL(resumed.headers.get('location')) }
}

check('an answer counts once', using({}, async (op) => {
  const { person, back } = await returning(op, at('ned'))
  await person.open(back)
  assert.ok(await me(person))
  const other = browser(op.issuer)
  await refused(other, await other.open(back), SPENT)
  const again = await person.open(back)
  assert.equal(again.status, 403)
}))

check('an answer in another browser does not count', using({}, async (op) => {
  const { back } = await returning(op, at('ned'))
  const other = browser(op.issuer)
  await refused(other, await other.open(back), SPENT)
}))

for (const [what, why, change] of [
  ['another issuer', /another issuer/, (back) => back.searchParams.set('iss', 'https://evil.example')],
  ['no issuer', /another issuer/, (back) => back.searchParams.delete('iss')],
  ['another code', /did not take the code \(400 invalid_grant\)/, (back) => back.searchParams.set('code', 'x'.repeat(43))],
  ['another state', SPENT, (back) => back.searchParams.set('state', 'x'.repeat(43))],
  ['two codes', /twice/, (back) => back.searchParams.append('code', 'x')],
]) {
  check(`an answer with ${what} is refused`, using({}, async (op) => {
    const { person, back } = await returning(op, at('ned'))
    change(back)
    await refused(person, await person.open(back), why)
  }))
}

check('key rotation there: the new key is looked for', using({}, async (op) => {
  await signIn(op, at('ned'))
  await op.restart()
  // The hub asks again for a key it does not know, though not at once.
  await sleep(1_100)
  const { person } = await signIn(op, at('ned'))
  assert.ok(await me(person))
  assert.equal(op.requests.filter((one) => one.pathname === '/jwks').length, 2)
}))

check('a wrong secret: no sign-in, and no accident', using({ secret: 'another secret of more than thirty signs' }, async (op) => {
  const { person, page } = await signIn(op, at('ned'))
  await refused(person, page, /did not take the code \(401 invalid_client\)/)
}))

check('a provider that is away: the page says so', using({}, async (op) => {
  await administer('DELETE', `/v1/identity-providers/${op.hub.id}`)
  const away = await administer('POST', '/v1/identity-providers', {
    name: 'Away',
    issuer: 'http://127.0.0.1:9',
    client_id: 'hub',
    organisation_id: stage.organisations.alpha,
  })
  op.hub.id = away.id
  const person = browser(op.issuer)
  await refused(person, await arrive(person, at('ned')), /gave no answer/, 502)
}))

check('an account that is disabled here does not come in by its provider', using({}, async (op) => {
  const first = await signIn(op, at('gone'))
  const { id, organisation_id } = await me(first.person)
  await administer('PATCH', `/v1/people/${id}`, { is_disabled: true, organisation_id })
  const { person, page } = await signIn(op, at('gone'))
  await refused(person, page, /This account is disabled/)
}))
