/* A visit: a guest session that this machine holds in memory, and wipes when the visitor has gone. */
import { picture } from "./pictures.js";
import { WORDS, reason } from "./words.js";

const IDLE_S = 60, WARNING_S = 15, SHOWN = 24, PATIENCE_MS = 3000;
const find = (selector, within = document) => within.querySelector(selector);
const items = await (await fetch("items.json")).json();
const byId = new Map(items.map((item) => [item.id, item]));
/* The model reads English, whatever the visitor reads. */
const candidates = items.map(({ id, kind, topic, popularity, en }) =>
  ({ id, text: en.join("\n"), categories: [kind, topic], popularity }));

let guest = null, lang = "en", ranking = { id: "", items: [] };

async function call(path, body, method = "POST") {
  const answer = await fetch(path, { method, keepalive: method === "DELETE",
    headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

/* What went wrong is nothing to a visitor: the page begins again. */
function troubled() {
  find("#said").textContent = WORDS[lang].trouble;
  setTimeout(() => location.reload(), PATIENCE_MS);
}

function speak(language) {
  lang = language;
  const words = WORDS[lang];
  document.documentElement.lang = lang === "zh" ? "zh-CN" : lang;
  document.title = words.name;
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = words[one.dataset.word];
  find("#language").textContent = words.language;
  find("#language").lang = lang === "zh" ? "en" : "zh";
}

const titleOf = (id) => byId.get(id)?.[lang][0];
const kindOf = ({ kind, topic }) => `${WORDS[lang].kinds[kind]} · ${WORDS[lang].topics[topic]}`;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/* The places by which report.js knows what is done with which item. */
function mark(at, entry) {
  Object.assign(at.dataset, { itemId: entry.id, rank: entry.rank, rankingId: ranking.id });
}

function card(entry) {
  const item = byId.get(entry.id), [title, text] = item[lang];
  const made = element("li", "card"), image = element("img"), inside = element("div", "inside");
  mark(made, entry);
  image.src = picture(item);
  image.alt = "";
  const heading = element("h2"), open = element("button", "", title);
  open.addEventListener("click", () => show(entry));
  heading.append(open);
  inside.append(element("p", "kind", kindOf(item)), heading, element("p", "text", text));
  const why = reason(entry, WORDS[lang], titleOf);
  if (why) inside.append(element("p", "why", why));
  made.append(image, inside);
  return made;
}

const draw = () => find("#cards").replaceChildren(...ranking.items.map(card));

async function rank() {
  const wanted = { top_k: SHOWN, diversity: 0.3, reasons: true };
  ranking = await call("/rank", { guest, items: candidates, ...wanted });
  draw();
}

async function begin(language) {
  try {
    ({ guest } = await call("/guest", {}));
    find("#report").dataset.guest = guest;
    speak(language);
    await rank();
  } catch { return troubled(); }
  find("#attract").hidden = true;
  for (const id of ["bar", "visit", "promise"]) find(`#${id}`).hidden = false;
  find("#heading").focus();
  stir();
}

/* The session ends here and on the server; a fresh page knows nothing. */
async function anew() {
  clearInterval(counting);
  if (!guest) return;
  const ended = guest;
  guest = null;
  await call(`/guest/${ended}`, null, "DELETE").catch(() => {});
  location.reload();
}

function show(entry) {
  const dialog = find("#item"), item = byId.get(entry.id), [title, text] = item[lang];
  const opened = find("article", dialog);
  mark(opened, entry);
  opened.dataset.opened = "";
  find("img", dialog).src = picture(item);
  find(".kind", dialog).textContent = kindOf(item);
  find("h2", dialog).textContent = title;
  find(".text", dialog).textContent = text;
  find(".why", dialog).textContent = reason(entry, WORDS[lang], titleOf);
  for (const one of dialog.querySelectorAll("[data-event]")) one.setAttribute("aria-pressed", false);
  dialog.showModal();
}

async function tell() {
  const { events, liked } = await call("/profile", { guest });
  const words = WORDS[lang];
  const titles = liked.map(titleOf).filter(Boolean).join(words.join);
  const facts = events ? [words.events(events), ...(titles ? [words.liked(titles)] : [])] : [words.nothing];
  find("#facts").replaceChildren(...facts.map((fact) => element("li", "", fact)));
  find("#known").showModal();
}

/* Nobody there: asked first, then wiped. */
let waiting, counting;
function stir() {
  clearTimeout(waiting);
  if (!guest) return;
  waiting = setTimeout(() => {
    let left = WARNING_S;
    const count = () => {
      find("#left").textContent = left;
      if (left-- <= 0) anew();
    };
    count();
    find("#idle").showModal();
    counting = setInterval(count, 1000);
  }, IDLE_S * 1000);
}

for (const one of document.querySelectorAll("[data-begin]"))
  one.addEventListener("click", () => begin(one.dataset.begin));
for (const dialog of document.querySelectorAll("dialog"))
  for (const one of dialog.querySelectorAll("[data-close]"))
    one.addEventListener("click", () => dialog.close());
for (const one of document.querySelectorAll("#item [data-event]"))
  one.addEventListener("click", () => {
    for (const other of document.querySelectorAll("#item [data-event]"))
      other.setAttribute("aria-pressed", other === one);
  });
find("#language").addEventListener("click", () => { speak(lang === "zh" ? "en" : "zh"); draw(); });
find("#ask").addEventListener("click", () => tell().catch(troubled));
find("#anew").addEventListener("click", anew);
find("[data-erase]").addEventListener("click", anew);
find("#idle").addEventListener("close", () => { clearInterval(counting); stir(); });
/* The list stays still under the visitor's hand: it moves when an item was closed and that is noted. */
addEventListener("edge-rerank:sent", async ({ detail: { status, events } }) => {
  if (status === 410 && guest) return location.reload();
  if (!guest || find("dialog[open]") || !events.some(({ type }) => type === "view")) return;
  try { await rank(); } catch { return troubled(); }
  find("#said").textContent = WORDS[lang].updated;
  scrollTo({ top: 0 });
  find("#heading").focus({ preventScroll: true });
});
for (const name of ["pointerdown", "keydown", "wheel", "touchmove"])
  addEventListener(name, stir, { passive: true });
addEventListener("pagehide", () => { if (guest) call(`/guest/${guest}`, null, "DELETE").catch(() => {}); });
addEventListener("contextmenu", (event) => event.preventDefault());

for (const item of items.filter((_, n) => n % 4 === 1)) {
  const image = element("img");
  image.src = picture(item);
  image.alt = "";
  find("#drift").append(image);
}
call("/warmup", { items: candidates }).catch(troubled);
for (const one of document.querySelectorAll("[data-begin]")) one.disabled = false;
