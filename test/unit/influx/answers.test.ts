import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { classifyDatabase, databaseBody } from "../../../src/influx/database.ts";
import { redactor } from "../../../src/influx/redact.ts";
import { retryAfterMs } from "../../../src/influx/retry-after.ts";
import { looksLikeHtml, serverWords } from "../../../src/influx/server-words.ts";

const nowMs = Date.UTC(2026, 0, 1, 12);

test("Retry-After is read in seconds and as a date, within ten minutes", () => {
  const rows: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ["0", 0],
    ["30", 30_000],
    [" 30 ", 30_000],
    ["1.5", 1500],
    ["99999999999999999999", 600_000],
    ["Thu, 01 Jan 2026 12:00:30 GMT", 30_000],
    ["Thursday, 01-Jan-26 12:00:30 GMT", 30_000],
    ["Thu, 01 Jan 2026 11:00:00 GMT", 0],
    ["Fri, 01 Jan 2027 12:00:00 GMT", 600_000],
    ["-5", undefined],
    ["1 2", undefined],
    ["", undefined],
    ["Thu, 99 Foo", undefined],
  ];
  for (const [header, expected] of rows) assert.equal(retryAfterMs(header, nowMs), expected, String(header));
});

test("words are found in every form of body", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["", ""],
    ["  plain \r\n text ", "plain text"],
    ['{"error":"e"}', "e"],
    ['{"code":"invalid","message":"m"}', "m"],
    ['{"error":"e","data":{"error_message":"why","line_number":3}}', "e: line 3: why"],
    ['{"error":"e","data":[{"error_message":"a","line_number":1},{"error_message":"b"}]}', "e: line 1: a; b"],
    ['["one","two","three","four"]', "one; two; three"],
    ['{"error":{"message":"nested"}}', '{"error":{"message":"nested"}}'],
    ['{"cut":"off', '{"cut":"off'],
    ["<html><head><style>p{}</style><title>No \n entry</title></head></html>", "No entry"],
    ["<html><body><p>Just <b>this</b></p></body></html>", "Just this"],
    ["\u001b[31mred\u0000", "[31mred"],
  ];
  for (const [body, words] of rows) assert.equal(serverWords(body), words);
});

test("a 400 with a hundred refused lines is told in one short line", () => {
  const data = Array.from({ length: 100 }, (_, index) => ({ error_message: "bad", line_number: index + 1 }));
  assert.equal(serverWords(JSON.stringify({ error: "e", data })), "e: line 1: bad; line 2: bad; line 3: bad");
});

test("words are one printable line of at most 301 characters, whatever the body", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary", maxLength: 1000 }), fc.json(), fc.constant("🦆".repeat(500))),
      (body) => {
        const words = serverWords(body);
        assert.ok(words.length <= 301);
        assert.doesNotMatch(words, /\p{Cc}/u);
      },
    ),
  );
  assert.ok(serverWords(`x${"🦆".repeat(500)}`).isWellFormed());
});

test("nesting as deep as a body allows is survived", () => {
  assert.equal(typeof serverWords('{"error":"e","data":'.repeat(3000) + "1" + "}".repeat(3000)), "string");
  assert.equal(typeof serverWords("[".repeat(30_000) + "]".repeat(30_000)), "string");
});

test("HTML is known by its start and line protocol in an error is not", () => {
  for (const body of ["<html>", "\n<!DOCTYPE HTML>", "<head/>"]) assert.ok(looksLikeHtml(body));
  for (const body of ["", "<lp> is bad", '{"a":"<html>"}', "error at <html>"])
    assert.ok(!looksLikeHtml(body));
});

test("a token is taken out of an echo in each of its forms", () => {
  const token = `a"b\\c<d>e&f'g/h%i`;
  const redact = redactor(token);
  const html = "a&quot;b\\c&lt;d&gt;e&amp;f&#39;g/h%i";
  for (const echo of [token, JSON.stringify({ token }), encodeURIComponent(token), html]) {
    const clean = redact(`before ${echo} after`);
    assert.match(clean, /^before .*\[secret\].* after$/);
    assert.doesNotMatch(clean, /b\\c|%5Cc|e&|e%26/);
  }
  assert.equal(redactor("")("nothing to hide"), "nothing to hide");
});

test("the database is asked for in the words of the HTTP API", () => {
  assert.equal(databaseBody("lorawan", "90d"), '{"db":"lorawan","retention_period":"90d"}');
  assert.equal(databaseBody("lorawan", "1y6mo"), '{"db":"lorawan","retention_period":"1y6month"}');
});

test("a database that exists is as good as one that was created", () => {
  const kind = (status: number, body = ""): string => {
    const answer = { status, body, retryAfter: undefined, location: undefined };
    return classifyDatabase({ answer }, "lorawan", nowMs).kind;
  };
  assert.equal(kind(200), "ready");
  assert.equal(kind(204), "ready");
  assert.equal(kind(409, "attempted to create a resource that already exists"), "ready");
  assert.equal(kind(200, "<html>portal</html>"), "retry");
  for (const status of [429, 500, 502, 503, 504]) assert.equal(kind(status), "retry");
  for (const status of [301, 400, 401, 403, 404, 405, 422]) assert.equal(kind(status), "refused");
});

test("where the token is unknown, the writes say it", () => {
  const answer = { status: 401, body: "{}", retryAfter: undefined, location: undefined };
  assert.deepEqual(classifyDatabase({ answer }, "lorawan", nowMs), { kind: "refused", fault: undefined });
});

test("a refused database names the database and the server's reason", () => {
  const answer = {
    status: 422,
    body: '{"error":"Adding a new database would exceed limit of 5 databases"}',
    retryAfter: undefined,
    location: undefined,
  };
  const outcome = classifyDatabase({ answer }, "lorawan", nowMs);
  assert.ok(outcome.kind === "refused");
  assert.equal(outcome.fault?.code, "database_not_created");
  assert.match(outcome.fault.message, /database lorawan \(HTTP 422: Adding .* 5 databases\)/);
});
