// What pages do beyond their server's answer: ages go on, events arrive, keys work, numbers open their origin in place.
// Everything here is also reachable without it, by a link or a form.

const root = document.documentElement;
const zh = root.lang.startsWith("zh");
const say = (chinese, english) => (zh ? chinese : english);
root.classList.add("js");

// ── ages ──
const STATES = { fresh: ["及时", "fresh"], late: ["迟", "late"], stale: ["陈旧", "stale"] };

export function step(age, sla) {
  const r = Math.max(age, 0) / sla;
  if (r <= 1) return Math.max(1, Math.ceil(6 * r));
  return r <= 2 ? 6 + Math.ceil(5 * (r - 1)) : 12;
}

export function ageText(seconds) {
  const s = Math.max(Math.floor(seconds), 0);
  if (s < 60) return `${s} ${say("秒", "s")}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${say("分", "min")}`;
  if (s < 2 * 86400) return `${Math.floor(s / 3600)} ${say("小时", "h")}`;
  const days = Math.floor(s / 86400), hours = Math.floor((s % 86400) / 3600);
  return `${days} ${say("天", "d")}` + (hours && days < 30 ? ` ${hours} ${say("小时", "h")}` : "");
}

function restep() {
  if (document.querySelector(".past")) return;
  const now = Date.now() / 1000;
  for (const cell of document.querySelectorAll(".n[data-seen]")) {
    const sla = Number(cell.dataset.slaS);
    cell.dataset.a = step(now - Number(cell.dataset.seen), sla);
    if (cell.dataset.seenO) cell.dataset.o = step(now - Number(cell.dataset.seenO), sla);
  }
  for (const chip of document.querySelectorAll(".sla[data-seen]")) restate(chip, now);
  const clock = document.querySelector("[data-clock]");
  if (clock) tick(clock);
}

function restate(chip, now) {
  if (!(chip.dataset.sla in STATES)) return;
  const age = now - Number(chip.dataset.seen), r = age / Number(chip.dataset.slaS);
  const state = r <= 1 ? "fresh" : r <= 2 ? "late" : "stale";
  if (state === "stale" && chip.dataset.sla !== "stale" && chip.closest("[data-feed]")) announce(chip);
  chip.dataset.sla = state;
  chip.querySelector("use").setAttribute("href", `#${state}`);
  chip.querySelector("span").textContent = (state === "fresh" ? "" : `${say(...STATES[state])} `) + ageText(age);
}

let lastMinute = new Date().getMinutes();
function tick(clock) {
  const passed = (new Date().getMinutes() - lastMinute + 60) % 60;
  if (!passed) return;
  lastMinute = new Date().getMinutes();
  const [h, m] = clock.textContent.split(":").map(Number), total = h * 60 + m + passed;
  clock.textContent = `${String(Math.floor(total / 60) % 24).padStart(2, "0")}:${String(total % 60).padStart(2, "0")}`;
}

setInterval(restep, 15000);

// ── toasts ──
export function toast(text, { link, action, kind } = {}) {
  const node = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  node.querySelector("span").textContent = text;
  if (kind) node.dataset.k = kind;
  const a = node.querySelector("a");
  if (link) Object.assign(a, { href: link, textContent: action, hidden: false });
  const gone = () => (node.matches(":hover, :focus-within") ? setTimeout(gone, 2000) : node.remove());
  node.querySelector("button").addEventListener("click", () => node.remove());
  document.querySelector(".toasts").append(node);
  setTimeout(gone, 8000);
}

const announced = new Set();
function announce(chip) {
  const name = chip.closest("tr")?.querySelector("th")?.textContent.trim();
  if (!name || announced.has(name)) return;
  announced.add(name);
  toast(say(`${name} 已陈旧`, `${name} has become stale`));
}

// ── live: pages are told what changed and fetch themselves anew; nothing moves under the pointer ──
const live = document.querySelector("[data-live]");
let waiting = 0, fresh = null;

if (live && !document.querySelector(".past") && window.EventSource) {
  const events = new EventSource("/v1/inventory/changes");
  let soon = null;
  events.addEventListener("inventory.changed", (event) => {
    waiting += count(event.data);
    if (!soon) soon = setTimeout(() => { soon = null; refresh(); }, 1500);
  });
  addEventListener("pagehide", () => events.close());
}

function count(data) {
  try {
    const told = JSON.parse(data);
    return told.count ?? told.positions ?? told.keys?.length ?? 1;
  } catch { return 1; }
}

async function refresh() {
  if (document.hidden || document.querySelector(".pop, dialog[open], [data-more-loaded]")) return offer();
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (live.dataset.live === "ticker" || !reordered()) apply(); else offer();
}

const keys = (page) => [...page.querySelectorAll("[data-live] tr[data-row]")].map((row) => row.dataset.material ?? row.textContent);
const reordered = () => live.dataset.live !== "inventory" || keys(document).join() !== keys(fresh).join();

function offer() {
  const button = document.querySelector("[data-show-new]");
  if (!button) return;
  button.hidden = false;
  button.textContent = say(`${waiting} 处变化，看`, `${waiting} new, show`);
  button.onclick = () => location.reload();
}

function apply() {
  waiting = 0;
  for (const table of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${table.dataset.live}"]`);
    if (!other) continue;
    if (table.dataset.live === "inventory") replaceCells(table, other);
    else replaceRows(table.tBodies[0], other.tBodies[0]);
  }
  for (const part of [".kpis", ".result b"]) {
    const here = document.querySelector(part), there = fresh.querySelector(part);
    if (here && there && here.innerHTML !== there.innerHTML) here.replaceWith(document.importNode(there, true));
  }
}

function replaceCells(table, other) {
  for (const row of other.querySelectorAll("tr[data-material]")) {
    const old = table.querySelector(`tr[data-material="${CSS.escape(row.dataset.material)}"]`);
    [...row.cells].forEach((cell, i) => {
      const was = old?.cells[i];
      if (!was || i === 0 || was.outerHTML === cell.outerHTML) return;
      const node = document.importNode(cell, true);
      if (was.textContent !== cell.textContent) node.classList.add("changed");
      was.replaceWith(node);
    });
  }
}

function replaceRows(body, other) {
  const known = new Set([...body.rows].map((row) => row.textContent));
  const rows = [...other.rows].map((row) => document.importNode(row, true));
  for (const row of rows) if (!known.has(row.textContent)) row.classList.add("new");
  body.replaceChildren(...rows);
}

// ── work under way: its part of the page is asked for again until it is done ──
async function progress() {
  const here = document.querySelector("[data-poll]");
  if (!here) return;
  if (!document.hidden) {
    const page = await fragment(location.href).catch(() => null), there = page?.getElementById(here.id);
    if (there && !("poll" in there.dataset)) return location.reload();
    if (there) here.replaceWith(document.importNode(there, true));
  }
  setTimeout(progress, 2000);
}
setTimeout(progress, 2000);

// ── origin of a number, holders of a row, more rows ──
async function fragment(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

let opened = null;
function closeOrigin() {
  opened?.pop.remove();
  opened?.cell.classList.remove("asked");
  opened?.link.focus();
  opened = null;
}

async function openOrigin(link) {
  const page = await fragment(link.href);
  const found = page.querySelector("[data-fragment]");
  if (!found) return location.assign(link.href);
  closeOrigin();
  const cell = link.closest("td, .n"), pop = document.createElement("div");
  pop.className = "pop";
  pop.setAttribute("role", "dialog");
  pop.append(document.importNode(found, true));
  const close = Object.assign(document.createElement("button"), { className: "x", type: "button", textContent: "✕" });
  close.setAttribute("aria-label", say("关闭", "Close"));
  close.addEventListener("click", closeOrigin);
  pop.querySelector("header").append(Object.assign(document.createElement("span"), { className: "grow" }), close);
  cell.append(pop);
  cell.classList.add("asked");
  if (pop.getBoundingClientRect().right > innerWidth) pop.classList.add("flip");
  opened = { pop, cell, link };
  close.focus();
}

async function expand(button) {
  const row = button.closest("tr"), isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  row.classList.toggle("open", !isOpen);
  if (isOpen) {
    while (row.nextElementSibling?.classList.contains("sub")) row.nextElementSibling.remove();
    return;
  }
  row.after(...(await rowsOf(button.dataset.expand)));
}

// Rows outside a table are dropped by the parser, so they are read inside one.
async function rowsOf(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(`<table><tbody>${await answer.text()}</tbody></table>`, "text/html");
  return [...page.querySelectorAll("tbody > tr")].map((row) => document.importNode(row, true));
}

async function more(button) {
  const mark = document.querySelector("tr[data-next]");
  if (!mark) return location.assign(button.href);
  const rows = await rowsOf(mark.dataset.next);
  mark.replaceWith(...rows);
  live?.setAttribute("data-more-loaded", "");
  const shown = document.querySelectorAll("tr[data-material]").length, counter = document.querySelector("[data-count]");
  if (counter) counter.textContent = counter.textContent.replace(/[\d,]+/, shown.toLocaleString("en"));
  if (!document.querySelector("tr[data-next]")) button.remove();
}

const failed = () => toast(say("没有读到，请再试。", "Could not be read; try again."), { kind: "error" });

document.addEventListener("click", (event) => {
  const target = event.target.closest?.("[data-origin], [data-expand], [data-more], [data-dialog], [data-close], [data-keys]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const data = target.dataset;
  if ("dialog" in data) return document.getElementById(data.dialog).showModal();
  if ("close" in data) return target.closest("dialog").close();
  if ("keys" in data) return document.getElementById("keys").showModal();
  if ("origin" in data && !new URL(target.href).pathname.startsWith("/positions/")) return;
  event.preventDefault();
  ("origin" in data ? openOrigin : "expand" in data ? expand : more)(target).catch(failed);
});

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", (event) => { if (event.target.matches("select")) form.requestSubmit(); });
  form.addEventListener("submit", () => { for (const f of form.elements) if (f.name && !f.value) f.disabled = true; });
}
document.querySelector('a[href="#as-of"]')?.addEventListener("click", (event) => {
  const form = document.getElementById("as-of");
  if (form) { event.preventDefault(); form.scrollIntoView({ block: "center" }); form.querySelector("input").focus(); }
});

// ── keyboard ──
const PLACES = { o: "/", i: "/inventory", m: "/movements", s: "/systems", h: "/held", u: "/units", b: "/builds", t: "/trends" };
let going = false, at = -1;

function move(by) {
  const rows = [...document.querySelectorAll("tr[data-row]")];
  if (!rows.length) return;
  rows[at]?.removeAttribute("data-at");
  at = Math.min(Math.max(at + by, 0), rows.length - 1);
  rows[at].setAttribute("data-at", "");
  rows[at].scrollIntoView({ block: "nearest" });
}

const current = (selector) => document.querySelector(`tr[data-at] ${selector}`);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && opened) return closeOrigin();
  if (event.target.matches("input, textarea, select, dialog *") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (going) {
    going = false;
    if (PLACES[event.key]) return location.assign(PLACES[event.key]);
  }
  const acts = {
    "/": () => document.querySelector("[data-find]")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
    g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
    j: () => move(1),
    k: () => move(-1),
    o: () => current(".origin")?.click(),
    Enter: () => current("a.quiet, th a, td a:not(.origin):not(.tw)")?.click(),
  };
  if (!(event.key in acts) || (event.key === "Enter" && event.target !== document.body)) return;
  if (event.key !== "Enter") event.preventDefault();
  acts[event.key]();
});
