// Passkeys, where a page has [data-passkey]: it names where options come from, where the answer goes, and what is next.
// Without WebAuthn these parts stay hidden; passwords and codes work without this file.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const zh = document.documentElement.lang.startsWith("zh");
const REFUSED = zh ? "没有完成。再试一次，或换一种方式。" : "Not completed. Try again, or take another way.";

async function post(address, body = {}) {
  const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  const headers = { "content-type": "application/json", accept: "application/json", "x-csrf-token": csrf };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
  const given = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(given.detail), { kind: given.type });
  return given;
}

function decoded(options) {
  const ids = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));
  const user = options.user && { ...options.user, id: bytes(options.user.id) };
  const lists = { allowCredentials: ids(options.allowCredentials), excludeCredentials: ids(options.excludeCredentials) };
  return { ...options, ...lists, ...(user && { user }), challenge: bytes(options.challenge) };
}

function encoded({ id, rawId, type, response }) {
  const parts = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
    if (response[name]) parts[name] = text(response[name]);
  const transports = response.getTransports?.();
  return { id, rawId: text(rawId), type, response: { ...parts, ...(transports && { transports }) } };
}

let waiting = null; // a request for autofill, which a button's request ends

async function ask(part, extra = {}) {
  waiting?.abort();
  const publicKey = decoded(await post(part.dataset.options));
  if (part.dataset.passkey === "register") return navigator.credentials.create({ publicKey });
  delete publicKey.excludeCredentials;
  return navigator.credentials.get({ publicKey, ...extra });
}

async function run(part, extra) {
  const refusal = part.querySelector(".err"), name = part.querySelector("input")?.value;
  refusal.hidden = true;
  try {
    const credential = encoded(await ask(part, extra));
    await post(part.dataset.answer, { credential, ...(name && { name }) });
    location.assign(part.dataset.next);
  } catch (error) {
    // Autofill offers itself: that it found nothing is no news.
    if (error.name === "AbortError" || extra) return;
    if (error.kind === "step-up-required") return location.assign(`/step-up?next=${encodeURIComponent(location.pathname)}`);
    refusal.textContent = error instanceof DOMException ? REFUSED : error.message;
    refusal.hidden = false;
  }
}

for (const part of window.PublicKeyCredential ? document.querySelectorAll("[data-passkey]") : []) {
  part.hidden = false;
  part.querySelector("button").addEventListener("click", () => run(part));
  if ("autofill" in part.dataset && (await PublicKeyCredential.isConditionalMediationAvailable?.())) {
    const stop = new AbortController();
    run(part, { mediation: "conditional", signal: stop.signal });
    waiting = stop;
  }
}
