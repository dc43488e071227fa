/** The official client of Cohere, unchanged, against the HTTP server. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CohereClientV2 } from "cohere-ai";

test("the official client ranks here", async () => {
  const { EDGE_RERANK_URL: environment = "", EDGE_RERANK_TOKEN: token = "" } = process.env;
  const cohere = new CohereClientV2({ token, environment });
  const documents = ["Bread needs salt.", "Paris is the capital of France.", "The moon has no air."];
  const query = "What is the capital of France?";
  const { results } = await cohere.rerank({ model: "rerank-v3.5", query, documents, topN: 2 });
  assert.deepEqual(results.map(({ index }) => index)[0], 1);
  assert.equal(results.length, 2);
  assert.ok(results[0]!.relevanceScore > 0.5);
});
