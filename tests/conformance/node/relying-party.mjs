// openid-client as an application of ours: its configurations, and the authorization code flow up to the callback.
import * as client from 'openid-client'
import { as, stage } from './hub.mjs'

const execute = [client.allowInsecureRequests]
const kept = new Map()

const AUTHENTICATION = {
  basic: (one) => client.ClientSecretBasic(one.client_secret),
  post: (one) => client.ClientSecretPost(one.client_secret),
  key: (one) => privateKey(one.jwk),
  service_key: (one) => privateKey(one.jwk),
  native: () => client.None(),
  device: () => client.None(),
}

export async function privateKey(jwk) {
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  return client.PrivateKeyJwt({ key, kid: jwk.kid })
}

export async function discover(one, authentication) {
  return client.discovery(new URL(stage.issuer), one.client_id, one.client_secret ?? undefined, await authentication, { execute })
}

export async function configured(name) {
  if (!kept.has(name)) {
    const one = stage.clients[name]
    kept.set(name, await discover(one, (AUTHENTICATION[name] ?? AUTHENTICATION.basic)(one)))
  }
  return kept.get(name)
}

// A request for a code, with what is needed to redeem it; undefined values leave a parameter out.
export async function request(config, changed = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expected = { expectedNonce: client.randomNonce(), expectedState: client.randomState(), pkceCodeVerifier }
  const parameters = {
    redirect_uri: stage.callback,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    nonce: expected.expectedNonce,
    state: expected.expectedState,
    ...changed,
  }
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined))
  return { url: client.buildAuthorizationUrl(config, given), expected: { ...expected, idTokenExpected: true } }
}

// Where the hub sends the browser of `person` (a name, or a browser) with the answer.
export async function answered(config, person = 'ann', changed = {}) {
  const browser = typeof person === 'string' ? await as(person) : person
  const asked = await request(config, changed)
  const page = await browser.open(asked.url)
  if (!page.outside) throw new Error(`a page instead of an answer: ${page.status} ${page.url}\n${page.html.slice(0, 1500)}`)
  return { back: page.outside, expected: asked.expected }
}

export async function tokens(config, person, changed) {
  const { back, expected } = await answered(config, person, changed)
  return client.authorizationCodeGrant(config, back, expected)
}

export { client }
