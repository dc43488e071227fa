import assert from "node:assert/strict";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { EdgeRerank, EdgeRerankError, type Item } from "../src/client.js";

const command: string[] = JSON.parse(process.env.EDGE_RERANK_COMMAND ?? '["edge-rerank", "serve"]');
const folder = mkdtempSync(join(tmpdir(), "edge-rerank-"));
const flags = ["--history", join(folder, "me.db"), "--key-file", join(folder, "key")];
const shelf: Item[] = [
  { id: "bread", text: "How to bake rustic bread at home", categories: ["Food"] },
  { id: "mars", text: "New pictures from the surface of Mars", categories: ["Science"] },
  { id: "sourdough", text: "Sourdough starter for beginners", categories: ["Food"] },
];
let server: EdgeRerank;

before(() => { server = EdgeRerank.start({ command, flags }); });
after(() => server.close());

test("a person's likes move what is like them", async () => {
  const ada = server.person("ada");
  await ada.consent(true);
  const shown = await ada.rank(shelf);
  assert.equal(await ada.record({ type: "like", item: "bread", ranking: shown.id }), 1);
  const moved = await ada.rank(shelf.slice(1), { why: true });
  assert.ok(moved.personalised);
  assert.equal(moved.items[0]?.id, "sourdough");
  assert.equal(moved.items[0]?.index, 1);
  assert.ok(moved.items[0]?.why?.length);
  assert.deepEqual((await ada.profile()).liked, ["bread"]);
  await ada.record({ type: "rating", ranking: shown.id, value: 4 });
  assert.equal((await ada.stats()).whole.rating?.value, 4);
  await ada.pause();
  await assert.rejects(ada.record({ type: "like", item: "mars" }), { type: "RecordingPaused" });
  await ada.resume();
  assert.equal((await ada.access())["recording_paused"], false);
  assert.equal((await ada.forget()).events, 2);
});

test("texts, in any script, many calls at a time", async () => {
  const texts = ["面包需要盐。", "Paris is the capital of France.", { text: "The moon 🌕 has no air.", id: "moon" }];
  const calls = Array.from({ length: 20 }, () =>
    server.person(null).rankTexts("What is the capital of France?", texts, { top_k: 1 }));
  for (const { results } of await Promise.all(calls)) {
    assert.deepEqual(results.map(({ index }) => index), [1]);
    assert.ok(results[0]!.score > 0.5 && results[0]!.score <= 1);
  }
});

test("a call that is too large is refused, and the others are not", async () => {
  const nobody = server.person(null);
  const huge = nobody.rank([{ id: "a", text: "x".repeat(17 * 2 ** 20) }]);
  const [refused, ranked] = await Promise.allSettled([huge, nobody.rank(shelf)]);
  assert.equal(refused.status === "rejected" && refused.reason.type, "TooLarge");
  assert.equal(ranked.status, "fulfilled");
});

test("a policy that looks at times and at what was shown has what it needs", async () => {
  const now = Math.floor(Date.now() / 1000);
  const dated = shelf.map((item, day) => ({ ...item, published: now - day * 86_400 }));
  const ranking = await server.person(null).rank(dated, {
    policy: { fatigue: {}, fresh: { half_life_days: 1, weight: 4 } },
    exposures: { sourdough: { shown: 6, last: now - 60 } },
    now, shown: false, return_items: true,
  });
  assert.deepEqual(ranking.left_out, [{ id: "sourdough", code: "fatigue" }]);
  assert.deepEqual(ranking.items.map(({ id }) => id), ["bread", "mars"]);
  assert.equal(ranking.items[0]?.text, shelf[0]?.text);
  assert.equal(ranking.order, "personal");
});

test("a guest is known until it leaves", async () => {
  const guest = await server.openGuest();
  await guest.record({ type: "like", item: shelf[1]! });
  assert.ok((await guest.rank(shelf)).personalised);
  await guest.close();
  await assert.rejects(guest.rank(shelf), (error) => error instanceof EdgeRerankError && error.type === "ClosedError");
});

test("what is refused says why, and what has ended says so", async () => {
  await assert.rejects(server.person("bob").record({ type: "click", item: "bread" }), { type: "ConsentRequired" });
  assert.equal((await server.info()).pack.name, "default");
  const brief = EdgeRerank.start({ command });
  const call = brief.warmup(shelf);
  await brief.close();
  await call; // what was asked before the end is answered
  await assert.rejects(brief.info(), /ended with code 0/);
  await assert.rejects(EdgeRerank.start({ command: ["no-such-program"] }).info(), /ENOENT/);
  assert.deepEqual(readdirSync(folder).filter((name) => !/^me\.db|^key$/.test(name)), []);
});
