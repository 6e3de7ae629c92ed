import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Fault } from "../../../src/lib/fault.ts";
import { classify, type Answer, type WriteContext } from "../../../src/influx/outcome.ts";

const context: WriteContext = { api: "v3", mayUseV2: false, nowMs: Date.UTC(2026, 0, 1) };

function answer(status: number, body = "", headers: Partial<Answer> = {}): { answer: Answer } {
  return { answer: { status, body, retryAfter: undefined, location: undefined, ...headers } };
}

/** kind, scope where it is held, code of the fault. */
type Expected = readonly [kind: string, scope?: "endpoint" | "batch" | undefined, code?: string];

const partial =
  '{"error":"partial write of line protocol occurred","data":[{"error_message":"A generic parsing error occurred","line_number":2,"original_line":"home,room=Sunroom te"}]}';
const allOrNothing =
  '{"error":"line protocol parsing error","data":{"error_message":"invalid column type for column \'temp\', expected iox::column_type::field::float, got iox::column_type::field::string","line_number":7,"original_line":"home temp=\\"x\\""}}';
const allOrNothing39 = allOrNothing.replace(
  "line protocol parsing error",
  "parsing failed for write_lp endpoint",
);
const nginx = (title: string): string =>
  `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n`;

const batch = ["hold", "batch", "write_refused"] as const;

const rows: readonly (readonly [status: number, body: string, expected: Expected, says?: RegExp])[] = [
  [204, "", ["delivered"]],
  // v3, Core and Enterprise
  [400, partial, batch, /line 2: A generic parsing error occurred/],
  [400, allOrNothing, batch, /line protocol parsing error: line 7: invalid column type for column 'temp'/],
  [400, allOrNothing39, batch, /parsing failed for write_lp endpoint: line 7:/],
  [
    422,
    '{"error":"partial write of line protocol occurred","data":[{"error_message":"Update to schema would exceed number of columns per table limit of 500 columns","line_number":1,"original_line":"m f=1"}]}',
    batch,
    /limit of 500 columns/,
  ],
  [422, '{"error":"Adding a new database would exceed limit of 5 databases"}', batch, /limit of 5 databases/],
  [400, "incoming write was empty", batch, /HTTP 400: incoming write was empty/],
  [400, "cannot write to soft-deleted database 'x' - it is marked for deletion", batch, /soft-deleted/],
  [
    400,
    '{"error": "Authorization header was malformed, the request was not in the form of \'Authorization: <auth-scheme> <token>\', supported auth-schemes are Bearer, Token and Basic"}',
    batch,
    /malformed/,
  ],
  [400, "unacceptable content-encoding: br", batch, /content-encoding/],
  [400, "error decoding gzip stream: invalid header", batch, /gzip/],
  [
    401,
    '{"error": "the request was not authenticated"}',
    ["hold", "endpoint", "write_unauthorized"],
    /not authenticated/,
  ],
  [401, "", ["hold", "endpoint", "write_unauthorized"], /\(HTTP 401\)/],
  [
    403,
    '{"error": "requestor is forbidden from requested resource"}',
    ["hold", "endpoint", "write_forbidden"],
  ],
  [404, "Not found", ["hold", "endpoint", "write_not_found"], /Not found/],
  [405, '{"error":"unsupported method"}', ["hold", "endpoint", "write_api_missing"], /no v3 write API/],
  [413, "max request size (10485760 bytes) exceeded", batch, /10485760/],
  [415, "unsupported content type", batch],
  [
    500,
    "write buffer error: error from wal: wal buffer full with 4096 ops",
    ["retry", undefined, "write_server_error"],
    /wal buffer full/,
  ],
  // v2, all products
  [
    400,
    '{"code":"invalid","message":"write buffer error: line protocol parse failed: A generic parsing error occurred"}',
    batch,
    /parse failed/,
  ],
  [
    401,
    '{"code":"unauthorized","message":"unauthorized access"}',
    ["hold", "endpoint", "write_unauthorized"],
  ],
  [403, '{"code":"forbidden","message":"forbidden"}', ["hold", "endpoint", "write_forbidden"]],
  [
    404,
    '{"code":"not found","message":"bucket \\"lorawan\\" not found"}',
    ["hold", "endpoint", "write_not_found"],
    /bucket "lorawan" not found/,
  ],
  [
    413,
    '{"code":"request too large","message":"cannot read data: points in batch is too large"}',
    batch,
    /too large/,
  ],
  [
    429,
    '{"code":"too many requests","message":"org 0123 has exceeded limited_write plan limit"}',
    ["retry", undefined, "write_overloaded"],
    /limited_write/,
  ],
  [500, '{"code":"internal error","message":"boom"}', ["retry", undefined, "write_server_error"]],
  [
    400,
    '{"code":"invalid","line":2,"message":"failed to parse line protocol:\\n  errors encountered on line(s):\\n  error parsing line 2 (1-based): Invalid measurement"}',
    batch,
    /errors encountered on line\(s\): error parsing line 2/,
  ],
  // proxies and strangers
  [408, "", ["retry", undefined, "write_server_error"]],
  [
    502,
    nginx("502 Bad Gateway"),
    ["retry", undefined, "write_server_error"],
    /\(HTTP 502: 502 Bad Gateway\)/,
  ],
  [503, nginx("503 Service Temporarily Unavailable"), ["retry", undefined, "write_overloaded"]],
  [504, nginx("504 Gateway Time-out"), ["retry", undefined, "write_server_error"]],
  [599, "", ["retry", undefined, "write_server_error"]],
  [413, nginx("413 Request Entity Too Large"), batch, /Entity Too Large/],
  [
    400,
    nginx("400 The plain HTTP request was sent to HTTPS port"),
    ["hold", "endpoint", "write_answer_not_influxdb"],
    /plain HTTP/,
  ],
  [
    200,
    "<!DOCTYPE html><html><head><title>Hotel Wi-Fi</title></head></html>",
    ["retry", undefined, "write_answer_not_influxdb"],
    /Hotel Wi-Fi/,
  ],
  [200, "", ["retry", undefined, "write_answer_not_influxdb"], /\(HTTP 200\)/],
  [200, '{"status":"ok"}', ["retry", undefined, "write_answer_not_influxdb"]],
  [202, "", ["retry", undefined, "write_answer_not_influxdb"]],
  [206, "x", ["retry", undefined, "write_answer_not_influxdb"]],
  [418, "", batch, /\(HTTP 418\)/],
];

test("each answer of the reference has its one outcome", () => {
  for (const [status, body, [kind, scope, code], says] of rows) {
    const outcome = classify(answer(status, body), context);
    const shown = `${status} ${body}`;
    assert.equal(outcome.kind, kind, shown);
    assert.equal("scope" in outcome ? outcome.scope : undefined, scope, shown);
    if (!("fault" in outcome)) continue;
    assert.equal(outcome.fault.code, code, shown);
    assert.match(outcome.fault.message, says ?? /\(HTTP \d+(?:: .+)?\)$/, shown);
    assert.ok((outcome.fault.hint ?? "").length > 10, shown);
  }
  assert.ok(rows.length > 35);
});

test("a 405 from v3 leads to v2 only where auto may still try it", () => {
  assert.deepEqual(classify(answer(405), { ...context, mayUseV2: true }), { kind: "use_v2" });
  const onV2 = classify(answer(405), { ...context, api: "v2" });
  assert.ok(onV2.kind === "hold" && onV2.scope === "endpoint");
  assert.match(onV2.fault.message, /no v2 write API/);
});

test("a redirect is not followed and its target is named without query and user", () => {
  for (const status of [301, 302, 307, 308]) {
    const location = "https://user:hunter2@login.example/sign-in?session=hunter2";
    const outcome = classify(answer(status, "", { location }), context);
    assert.ok(outcome.kind === "hold" && outcome.scope === "endpoint");
    assert.equal(outcome.fault.code, "write_redirected");
    assert.match(outcome.fault.message, /to https:\/\/login\.example\/sign-in \(/);
    assert.doesNotMatch(outcome.fault.message, /hunter2/);
  }
});

test("the disposition says what the outcome says", () => {
  for (const [status, body] of rows) {
    const outcome = classify(answer(status, body), context);
    if (outcome.kind === "retry") assert.equal(outcome.fault.disposition, "retry");
    if (outcome.kind === "hold") {
      assert.equal(outcome.fault.disposition, outcome.scope === "batch" ? "quarantine" : "fatal");
    }
  }
});

test("no answer at all is tried again", () => {
  const error = new Fault({
    code: "connection_refused",
    layer: "write",
    disposition: "retry",
    message: "X.",
  });
  assert.deepEqual(classify({ error }, context), { kind: "retry", afterMs: undefined, fault: error });
});

test("what the server asks for is what a retry waits", () => {
  const date = new Date(context.nowMs + 42_000).toUTCString();
  for (const [retryAfter, afterMs] of [
    ["7", 7000],
    [date, 42_000],
    ["soon", undefined],
  ] as const) {
    for (const status of [429, 503, 500]) {
      const outcome = classify(answer(status, "", { retryAfter }), context);
      assert.ok(outcome.kind === "retry");
      assert.equal(outcome.afterMs, afterMs);
    }
  }
});

test("whatever a server answers, only 204 is delivered, and sentences stay short", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 100, max: 999 }), fc.constantFrom(200, 201, 202, 204)),
      fc.oneof(fc.constant(""), fc.string({ unit: "binary", maxLength: 2000 })),
      (status, body) => {
        const outcome = classify(answer(status, body), context);
        assert.equal(outcome.kind === "delivered", status === 204);
        if ("fault" in outcome) assert.ok(outcome.fault.message.length < 400);
      },
    ),
  );
});
