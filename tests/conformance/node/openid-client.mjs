// npm openid-client, a certified relying party, as an application of ours.
import { run } from './check.mjs'
import './openid-client/code.mjs'
import './openid-client/interaction.mjs'
import './openid-client/tokens.mjs'
import './openid-client/assertions.mjs'
import './openid-client/device.mjs'
import './openid-client/registration.mjs'
import './openid-client/keys.mjs'
import './openid-client/logout.mjs'

await run()
