// npm oidc-provider, a certified OpenID provider, as the sign-in of one of the organisations.
import { run } from './check.mjs'
import './oidc-provider/federation.mjs'
import './oidc-provider/logout.mjs'

await run()
