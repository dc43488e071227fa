/* Reports what is done with rankings: ids, never a text. See ../README.md. */
{
  const own = document.currentScript.dataset;
  const SEEN_MS = 1000, EVERY_MS = 5000, BATCH = 20, KEPT = 200;
  const seen = new Set(), watched = new WeakMap(), timers = new WeakMap();
  let queue = [], timer, opened;
  const isOpened = (one) => "opened" in one.dataset;
  const keyOf = ({ dataset }) => dataset.rankingId + " " + dataset.itemId;
  const newId = () => crypto.getRandomValues(new Uint32Array(3)).join("-");

  const send = async () => {
    timer = clearTimeout(timer);
    const events = queue.splice(0, BATCH);
    if (!events.length) return;
    const { status } = await fetch(own.endpoint || "/record", {
      method: "POST", keepalive: true, headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user: own.user, guest: own.guest, events }),
    }).catch(() => ({ status: 503 }));
    if (status === 429 || status > 499) queue = [...events, ...queue].slice(0, KEPT);
    else dispatchEvent(new CustomEvent("edge-rerank:sent", { detail: { status, events } }));
    if (queue.length) timer ||= setTimeout(send, EVERY_MS);
  };
  const report = (type, data, now, more) => {
    queue.push({ type, item: data.itemId, timestamp: Date.now() / 1000, ranking: data.rankingId,
      position: +data.rank || undefined, id: newId(), ...more });
    if (now || queue.length >= BATCH) send();
    else timer ||= setTimeout(send, EVERY_MS);
  };

  // Chosen: a link or a button of an item, or what has data-event.
  const choose = ({ button, target }) => {
    const by = button < 2 && target.closest("[data-event],a[href],button,summary");
    const at = by && target.closest("[data-item-id]");
    const type = by && by.dataset.event;
    if (at && (type || !isOpened(at))) report(type || "click", at.dataset, true);
  };

  // Opened: seconds in sight and focus, share seen.
  const tick = () => {
    if (!opened) return;
    const now = performance.now(), { top, height } = opened.at.getBoundingClientRect();
    if (opened.awake) opened.dwell += (now - opened.since) / 1000;
    opened.since = now;
    opened.awake = !document.hidden && document.hasFocus();
    if (height) opened.scroll = Math.max(opened.scroll, Math.min(1, (innerHeight - top) / height));
  };
  const close = () => {
    tick();
    report("view", opened, true, { dwell_s: +opened.dwell.toFixed(1), scroll: opened.scroll });
    opened = null;
  };

  // Seen: half of it or of the window, for a second.
  const wait = (at) => timers.set(at, setTimeout(() => {
    if (document.hidden) wait(at);
    else if (at.isConnected && seen.size < seen.add(keyOf(at)).size)
      report("impression", at.dataset);
  }, SEEN_MS));
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, intersectionRatio, intersectionRect } of entries) {
      clearTimeout(timers.get(target));
      if (intersectionRatio >= 0.5 || intersectionRect.height >= innerHeight / 2) wait(target);
    }
  }, { threshold: [0.1, 0.3, 0.5] });

  const look = () => {
    const all = [...document.querySelectorAll("[data-item-id]")];
    const at = all.find((one) => isOpened(one) && one.getClientRects().length);
    if (opened && (at !== opened.at || keyOf(at) !== opened.key)) close();
    if (at && !opened) opened = { ...at.dataset, at, key: keyOf(at), dwell: 0, scroll: 0 };
    tick();
    for (const one of all) if (!isOpened(one) && watched.get(one) !== keyOf(one)) {
      watched.set(one, keyOf(one));
      watcher.unobserve(one);
      watcher.observe(one);
    }
  };

  const on = (names, does) => names.split(" ").forEach((name) => addEventListener(name, does, true));
  on("click auxclick", choose);
  on("scroll focus blur", tick);
  on("visibilitychange", () => { tick(); if (document.hidden) send(); });
  on("freeze pagehide", () => { if (opened) close(); else send(); });
  on("resume pageshow", look);
  new MutationObserver(look).observe(document, { subtree: true, childList: true,
    attributeFilter: ["hidden", "open", "data-opened", "data-item-id", "data-ranking-id"] });
  look();
}
