import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlightConfig } from "../../../src/influx/flight/api.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { ConnectionBook } from "../../../src/streams/connections.ts";

function config(token: string, database = "d"): FlightConfig {
  const tls = { verify: true };
  return { url: "http://127.0.0.1:1", database, token: new Secret(token), tls, timeoutMs: 1000 };
}

test("a token that another one begins with leaves nothing of that", () => {
  const book = new ConnectionBook({ main: config("apiv3_abc"), other1: config("apiv3_abcdef") });
  assert.equal(book.redact("apiv3_abcdef apiv3_abc"), "[secret] [secret]");
});

test("an old token is taken out until it is forgotten", () => {
  const book = new ConnectionBook({ main: config("apiv3_old") });
  book.replace({ main: config("apiv3_new") });
  assert.equal(book.redact("apiv3_old apiv3_new"), "[secret] [secret]");
  book.forget();
  assert.equal(book.redact("apiv3_old apiv3_new"), "apiv3_old [secret]");
});

test("a connection is another one when anything of it differs, also the token, and when it is gone", () => {
  const book = new ConnectionBook({ a: config("t"), b: config("t"), c: config("t"), d: config("t") });
  const isChanged = book.replace({ a: config("t"), b: config("u"), c: config("t", "other") });
  assert.deepEqual(["a", "b", "c", "d"].map(isChanged), [false, true, true, true]);
  assert.deepEqual([book.timeoutMs("a"), book.timeoutMs("d")], [1000, undefined]);
  assert.ok(book.message.kind === "configure");
  assert.deepEqual([book.message.id, Object.keys(book.message.connections)], [2, ["a", "b", "c"]]);
});
