// A provider of its own for each check, set up at the hub by the administrator; its people have any password.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import { administer, browser, stage } from '../hub.mjs'

const CLIENT = { client_id: 'hub', client_secret: 'a secret of at least thirty-two signs' }
const { default: Provider } = await import('oidc-provider')

async function key() {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), use: 'sig', alg: 'RS256' }
}

const configuration = (hub, keys, claims) => ({
  clients: [
    {
      ...CLIENT,
      redirect_uris: [hub.redirect_uri],
      post_logout_redirect_uris: [`${stage.issuer}/signin`],
      backchannel_logout_uri: hub.backchannel_logout_uri,
      backchannel_logout_session_required: true,
    },
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'locale'] },
  cookies: { keys: ['of a provider that ends with the test'] },
  jwks: { keys },
  findAccount: (_, accountId) => ({
    accountId,
    claims: () => ({ sub: accountId, email: accountId, email_verified: true, name: accountId.split('@')[0], locale: 'en-GB', ...claims }),
  }),
  features: {
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = form.replace('</form>', '<input type="hidden" name="logout" value="yes"/></form>')
      },
    },
  },
  // Its own guard against addresses of this machine.
  fetch: (address, { dispatcher, ...options }) => fetch(address, options),
})

export async function provided({ organisation = 'alpha', claims = {}, secret = CLIENT.client_secret } = {}) {
  const server = createServer((asked, answer) => {
    requests.push(new URL(asked.url, 'http://x'))
    handle(asked, answer)
  })
  const requests = []
  let handle
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${server.address().port}`
  const hub = await administer('POST', '/v1/identity-providers', {
    name: 'Provider',
    issuer,
    client_id: CLIENT.client_id,
    client_secret: secret,
    default_roles: ['planner'],
    organisation_id: stage.organisations[organisation],
  })
  const told = []
  async function start(more) {
    const made = new Provider(issuer, configuration(hub, [await key()], { ...claims, ...more }))
    for (const outcome of ['success', 'error']) made.on(`backchannel.${outcome}`, () => told.push(outcome))
    handle = made.callback()
  }
  await start()
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await administer('DELETE', `/v1/identity-providers/${hub.id}`)
  }
  return { issuer, hub, requests, told, restart: start, close }
}

export const domain = (organisation) => stage.domains[organisation]

// From the hub's own page over the provider's, up to where the hub leads in the end.
export async function signIn(op, email, person = browser(op.issuer)) {
  const page = await arrive(person, email)
  if (page.url.origin !== op.issuer) return { person, page }
  const asked = await person.submit(page, { login: email, password: 'any' })
  return { person, page: asked.html.includes('value="consent"') ? await person.submit(asked, { prompt: 'consent' }) : asked }
}

// At the provider's own page, or where the hub refuses to lead there.
export async function arrive(person, email, next) {
  const page = await person.open(`/signin${next ? `?next=${encodeURIComponent(next)}` : ''}`)
  return person.submit(page, { email }, '/signin/organisation')
}

export async function me(person) {
  const answer = await person.ask(`${stage.issuer}/v1/me`)
  return answer.status === 200 ? answer.json() : null
}
