// The hub as oauth4webapi sees it, and requests that no good client would send.
import * as oauth from 'oauth4webapi'
import { stage } from '../hub.mjs'

export const insecure = { [oauth.allowInsecureRequests]: true }
let found

export async function server() {
  const issuer = new URL(stage.issuer)
  found ??= await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
  return found
}

export const basic = ({ client_id, client_secret }) => ({
  authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
})

const READ = {
  token: oauth.processClientCredentialsResponse,
  introspection: oauth.processIntrospectionResponse,
  revocation: (_, __, answer) => oauth.processRevocationResponse(answer),
  device_authorization: oauth.processDeviceAuthorizationResponse,
}

// Status and error as the peer reads them. `body` may be anything that fetch takes.
export async function sent(endpoint, { body, headers = basic(stage.clients.service), method = 'POST', query = '' }) {
  const as = await server()
  const answer = await fetch(as[`${endpoint}_endpoint`] + query, { method, body, headers })
  try {
    await READ[endpoint](as, { client_id: stage.clients.service.client_id }, answer)
    return [answer.status]
  } catch (thrown) {
    const error = thrown.error ?? thrown.cause?.[0]?.parameters?.error
    if (error === undefined) throw thrown
    return [thrown.status, error]
  }
}

export { oauth }
