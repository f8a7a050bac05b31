// The stage, and people with browsers on it: cookies are kept, redirects followed as far as the hub goes, and the
// providers that a browser is said to know.
import assert from 'node:assert/strict'

export const stage = JSON.parse(process.env.STAGE ?? '{}')

const ENTITIES = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#34;': '"', '&#39;': "'" }
const text = (raw) => raw.replace(/&(#?\w+);/g, (entity) => ENTITIES[entity] ?? entity)
const attribute = (tag, name) => {
  const found = tag.match(new RegExp(`\\s${name}="([^"]*)"`))
  return found ? text(found[1]) : undefined
}

const refreshed = (html) => text(html.match(/http-equiv="refresh" content="0; url=([^"]*)"/)?.[1] ?? '')

export function browser(...providers) {
  const jars = new Map([stage.issuer, ...providers].map((origin) => [origin, new Map()]))

  async function ask(url, init = {}) {
    const jar = jars.get(new URL(url).origin)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } })
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...rest] = line.split(';')
      const at = pair.indexOf('=')
      const isGone = rest.some((one) => /^\s*(max-age=0|expires=thu, 01 jan 1970.*)$/i.test(one))
      if (isGone) jar.delete(pair.slice(0, at))
      else jar.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }

  // A page of the hub, or `outside`: the address elsewhere to which it leads.
  async function open(address, init) {
    let url = new URL(address, stage.issuer)
    for (let hops = 0; hops < 10; hops += 1) {
      const answer = await ask(url, init)
      const html = await answer.text()
      const next = answer.headers.get('location') ?? answer.headers.get('refresh')?.replace('0;url=', '') ?? refreshed(html)
      if (!next) return { url, status: answer.status, headers: answer.headers, html }
      url = new URL(next, url)
      init = undefined
      if (!jars.has(url.origin)) return { outside: url }
    }
    throw new Error(`${address} leads in a circle`)
  }

  // The first form of a page that has all these fields, and this address, sent as a browser would.
  function submit(page, values, address) {
    const forms = [...page.html.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/g)].map(([form]) => form)
    const leads = (form) => !address || form.includes(`action="${address}"`) // a button's formaction counts too
    const wanted = forms.find((form) => leads(form) && Object.keys(values).every((name) => form.includes(`name="${name}"`)))
    assert.ok(wanted, `no form with ${Object.keys(values)} at ${page.url}:\n${page.html.slice(0, 2000)}`)
    const data = new URLSearchParams()
    for (const [tag] of wanted.matchAll(/<input\b[^>]*>/g)) {
      if (attribute(tag, 'name') && attribute(tag, 'type') === 'hidden') data.set(attribute(tag, 'name'), attribute(tag, 'value') ?? '')
    }
    for (const [name, value] of Object.entries(values)) data.set(name, value)
    const opening = wanted.match(/<form\b[^>]*>/)[0]
    const action = new URL(address ?? attribute(opening, 'action') ?? '', page.url)
    if (attribute(opening, 'method')?.toLowerCase() !== 'post') {
      action.search = data
      return open(action)
    }
    return open(action, { method: 'POST', body: data, headers: { origin: action.origin } })
  }

  async function signIn(name, page) {
    const entry = page ?? (await open('/signin'))
    return submit(entry, { email: stage.people[name].email, password: stage.password })
  }

  async function signOut() {
    return submit(await open('/account'), {}, '/signout')
  }

  return { ask, open, submit, signIn, signOut }
}

const known = new Map()

// The browser of a person who is signed in already.
export async function as(name) {
  if (!known.has(name)) {
    const made = browser()
    await made.signIn(name)
    known.set(name, made)
  }
  return known.get(name)
}

export async function fresh(name) {
  const made = browser()
  await made.signIn(name)
  return made
}

let admin

// The API as the group's administrator.
export async function administer(method, path, body) {
  const json = { 'content-type': 'application/json' }
  if (!admin) {
    const made = browser()
    const given = { email: stage.people.root.email, password: stage.password }
    const answer = await made.ask(`${stage.issuer}/v1/session`, { method: 'POST', headers: json, body: JSON.stringify(given) })
    admin = { made, csrf: (await answer.json()).csrf_token }
  }
  const headers = { ...json, 'x-csrf-token': admin.csrf }
  const answer = await admin.made.ask(`${stage.issuer}${path}`, { method, headers, body: body && JSON.stringify(body) })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`)
  return answer.status === 204 ? null : answer.json()
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
