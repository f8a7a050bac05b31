// npm oidc-provider with a PostgreSQL adapter, two processes behind one port, for `hub bench tokens`. It makes the refresh
// tokens it is asked for, prints them with its address as one line of JSON, and serves until it is ended.
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { generateKeyPairSync } from 'node:crypto'
import pg from 'pg'
import Provider from 'oidc-provider'

const asked = JSON.parse(process.argv[2])
const pool = new pg.Pool({ ...asked.database, max: 8 })

const TABLE = `create table payload (id text, kind text, body jsonb not null, grant_id text, consumed_at timestamptz,
                                     expires_at timestamptz, primary key (kind, id))`

class Adapter {
  constructor (kind) { this.kind = kind }

  async upsert (id, body, seconds) {
    await pool.query({
      name: 'upsert',
      text: `insert into payload (id, kind, body, grant_id, expires_at)
             values ($1, $2, $3, $4, now() + make_interval(secs => $5))
             on conflict (kind, id) do update set body = excluded.body, expires_at = excluded.expires_at`,
      values: [id, this.kind, body, body.grantId ?? null, seconds ?? null],
    })
  }

  async find (id) {
    const found = await pool.query({
      name: 'find',
      text: 'select body, consumed_at from payload where kind = $1 and id = $2 and (expires_at is null or expires_at > now())',
      values: [this.kind, id],
    })
    const row = found.rows[0]
    return row && { ...row.body, ...(row.consumed_at ? { consumed: true } : {}) }
  }

  async consume (id) {
    await pool.query({
      name: 'consume', text: 'update payload set consumed_at = now() where kind = $1 and id = $2', values: [this.kind, id],
    })
  }

  async destroy (id) { await pool.query('delete from payload where kind = $1 and id = $2', [this.kind, id]) }
  async revokeByGrantId (id) { await pool.query('delete from payload where grant_id = $1', [id]) }
  async findByUid () {}
  async findByUserCode () {}
}

const provider = (port, jwk) => new Provider(`http://127.0.0.1:${port}`, {
  adapter: Adapter,
  clients: [{
    client_id: asked.client, client_secret: asked.secret, redirect_uris: ['https://bench.example/cb'],
    grant_types: ['authorization_code', 'refresh_token'],
  }],
  jwks: { keys: [jwk] },
  rotateRefreshToken: true,
  findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true, defaultResource: () => 'https://bench.example', useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'read', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
    },
  },
})

async function seed (made) {
  const client = await made.Client.find(asked.client)
  const tokens = []
  for (let n = 0; n < asked.families; n += 1) {
    const grant = new made.Grant({ accountId: `person-${n}`, clientId: asked.client })
    grant.addOIDCScope('openid offline_access')
    grant.addResourceScope('https://bench.example', 'read')
    const grantId = await grant.save()
    const token = new made.RefreshToken({
      accountId: `person-${n}`, client, grantId, gty: 'authorization_code', scope: 'openid offline_access read',
      resource: 'https://bench.example', authTime: Math.floor(Date.now() / 1000), rotations: 0,
    })
    tokens.push(await token.save())
  }
  return tokens
}

if (cluster.isPrimary) {
  await pool.query(TABLE)
  const probe = createServer().listen(0, '127.0.0.1', async () => {
    const { port } = probe.address()
    probe.close()
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwk = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'bench' }
    const tokens = await seed(provider(port, jwk))
    const env = { PEER_PORT: port, PEER_KEY: JSON.stringify(jwk) }
    let listening = 0
    for (let n = 0; n < 2; n += 1) {
      cluster.fork(env).on('listening', () => {
        listening += 1
        if (listening === 2) console.log(JSON.stringify({ address: `http://127.0.0.1:${port}`, tokens }))
      })
    }
  })
} else {
  const port = Number(process.env.PEER_PORT)
  provider(port, JSON.parse(process.env.PEER_KEY)).listen(port, '127.0.0.1')
}
