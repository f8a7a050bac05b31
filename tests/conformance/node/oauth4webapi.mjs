// npm oauth4webapi, the certified client's foundation: what is malformed, and what a resource server makes of our tokens.
import { run } from './check.mjs'
import './oauth4webapi/endpoints.mjs'
import './oauth4webapi/authorize.mjs'
import './oauth4webapi/bearer.mjs'

await run()
