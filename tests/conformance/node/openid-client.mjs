// npm openid-client, a certified relying party, as an application of ours.
import { run } from './check.mjs'
import './openid-client/code.mjs'

await run()
