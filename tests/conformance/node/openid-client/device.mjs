// The device flow: the person's side on the hub's own page.
import assert from 'node:assert/strict'
import { check } from '../check.mjs'
import { refused } from '../expect.mjs'
import { as, fresh, stage } from '../hub.mjs'
import { client, configured } from '../relying-party.mjs'

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
const start = async () => client.initiateDeviceAuthorization(await configured('device'), { scope: 'openid email inventory:read' })
const poll = async (started) => client.pollDeviceAuthorizationGrant(await configured('device'), started)
const once = async (started) => client.genericGrantRequest(await configured('device'), DEVICE, { device_code: started.device_code })

async function decide(person, started, values) {
  const page = await person.open(started.verification_uri_complete)
  assert.equal(page.status, 200)
  assert.ok(page.html.includes(started.user_code))
  return person.submit(page, values)
}

check('device: allowed by a person at the page', async () => {
  const started = await start()
  await decide(await as('dee'), started, { decision: 'allow' , organization: stage.organisations.beta })
  const given = await poll(started)
  assert.equal(given.claims().org_id, stage.organisations.beta)
  assert.ok(given.refresh_token)
})

check('device: who is not signed in signs in first', async () => {
  const started = await start()
  const person = await fresh('bob')
  await decide(person, started, { decision: 'allow', organization: stage.organisations.beta })
  assert.equal((await poll(started)).claims().sub, stage.people.bob.id)
})

check('device: refused by the person', async () => {
  const started = await start()
  await decide(await as('dee'), started, { decision: 'deny', organization: stage.organisations.alpha })
  await assert.rejects(poll(started), refused('access_denied', 400))
})

check('device: pending, and slower when asked too often', async () => {
  const started = await start()
  await assert.rejects(once(started), refused('authorization_pending', 400))
  await assert.rejects(once(started), refused('slow_down', 400))
})

check('device: a code is good once', async () => {
  const started = await start()
  await decide(await as('dee'), started, { decision: 'allow', organization: stage.organisations.alpha })
  await once(started)
  await assert.rejects(once(started), refused('invalid_grant', 400))
})

check('device: another client cannot ask with the code', async () => {
  const started = await start()
  const given = client.genericGrantRequest(await configured('basic'), DEVICE, { device_code: started.device_code })
  await assert.rejects(given, refused('unauthorized_client', 400))
})

check('device: a scope the client does not have is refused', async () => {
  const wanted = client.initiateDeviceAuthorization(await configured('device'), { scope: 'people:write' })
  await assert.rejects(wanted, refused('invalid_scope', 400))
})
