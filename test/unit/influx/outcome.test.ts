/** Every answer of every product to a write, and what becomes of the write. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { classify, type Answer, type WriteContext } from "../../../src/influx/outcome.ts";

const written = [
  "home,room=Kitchen temp=21.5 1735545600000000001",
  "home,room=Sunroom temp=96 1735545600000000002",
  "home,room=Attic temp=1,note=t 1735545600000000003",
  "home,room=Böden temp=7 1735545600000000004",
  "uplink,dev_eui=0102030405060708 f_cnt=5i 1735545600000000005",
].join("\n");
const context = { api: "v3", mayUseV2: false, nowMs: Date.UTC(2026, 0, 1), written } satisfies WriteContext;

function answer(status: number, body = "", headers: Partial<Answer> = {}): { answer: Answer } {
  return { answer: { status, body, retryAfter: undefined, location: undefined, ...headers } };
}

interface Expected {
  readonly kind: string;
  readonly code?: string;
  /** Of a refusal. */
  readonly lines?: readonly number[];
  readonly certain?: boolean;
}

const retry = (code: string): Expected => ({ kind: "retry", code });
const hold = (code: string): Expected => ({ kind: "hold", code });
const dead = (...lines: number[]): Expected => ({
  kind: "refused",
  code: "write_refused",
  lines,
  certain: true,
});
const doubtful: Expected = { kind: "refused", code: "write_refused", lines: [], certain: false };
const tooLarge: Expected = { kind: "too_large", code: "write_too_large" };
const busy = retry("write_overloaded");
const failed = retry("write_server_error");
const stranger = retry("write_answer_not_influxdb");
const page = hold("write_answer_not_influxdb");
const request = hold("write_request_refused");

const conflict =
  "invalid column type for column 'temp', expected iox::column_type::field::float, got iox::column_type::field::string";
const schemaLimit = (what: string): string => `Update to schema would exceed number of ${what}`;
const databaseLimit = "Adding a new database would exceed limit of 5 databases";

interface LineError {
  readonly error_message: string;
  readonly line_number: number;
  readonly original_line: string;
}
const lineError = (line_number: number, original_line: string, error_message = conflict): LineError => ({
  error_message,
  line_number,
  original_line,
});
const v3Body = (error: string, data?: unknown): string => JSON.stringify({ error, data });
const first = (data: LineError): string => v3Body("line protocol parsing error", data);
const each = (...data: LineError[]): string => v3Body("partial write of line protocol occurred", data);
const v2Body = (code: string, message: string): string => JSON.stringify({ code, message });
const listed = (line: number, ...entries: string[]): string =>
  JSON.stringify({
    code: "invalid",
    line,
    message: `failed to parse line protocol:\n  errors encountered on line(s):\n${entries.join("\n")}`,
  });
const nginx = (title: string): string =>
  `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n`;
const portal = "<!DOCTYPE html><html><head><title>Hotel Wi-Fi</title></head></html>";

type Row = readonly [status: number, body: string, expected: Expected, says?: RegExp];

/** The same over v2 as over v3. */
const both: readonly Row[] = [
  [204, "", { kind: "delivered" }],
  // strangers
  [200, "", stranger, /\(HTTP 200\)/],
  [200, portal, stranger, /Hotel Wi-Fi/],
  [200, '{"status":"ok"}', stranger],
  [202, "", stranger],
  [206, "x", stranger],
  [301, "", hold("write_redirected")],
  [308, portal, hold("write_redirected")],
  [400, nginx("400 The plain HTTP request was sent to HTTPS port"), page, /plain HTTP/],
  [422, nginx("422 Unprocessable Content"), page],
  [501, nginx("501 Not Implemented"), page, /501 Not Implemented/],
  [505, "", page],
  [511, portal, stranger, /Hotel Wi-Fi/],
  [407, "", hold("proxy_unauthorized"), /a proxy wants a user name/],
  // the token, the database, the API
  [401, "", hold("write_unauthorized"), /\(HTTP 401\)/],
  [401, '{"error": "the request was not authenticated"}', hold("write_unauthorized"), /not authenticated/],
  [401, v2Body("unauthorized", "unauthorized access"), hold("write_unauthorized"), /unauthorized access/],
  [403, "", hold("write_forbidden")],
  [403, '{"error": "requestor is forbidden from requested resource"}', hold("write_forbidden")],
  [403, v2Body("forbidden", "forbidden"), hold("write_forbidden")],
  [404, "Not found", hold("write_not_found"), /Not found/],
  [404, "database not found: lorawan", hold("write_not_found")],
  [404, v2Body("not found", 'bucket "lorawan" not found'), hold("write_not_found"), /bucket "lorawan"/],
  [405, '{"error":"unsupported method"}', hold("write_api_missing")],
  // what may pass by itself
  [408, "", failed],
  [409, "attempted to create a resource that already exists", failed],
  [425, "", failed],
  [429, v2Body("too many requests", "org 01 has exceeded limited_write plan limit"), busy, /limited_write/],
  [500, "write buffer error: error from wal: wal buffer full with 4096 ops", failed, /wal buffer full/],
  [500, v2Body("internal error", "boom"), failed],
  [502, nginx("502 Bad Gateway"), failed, /a proxy in front of InfluxDB .*502 Bad Gateway/],
  [503, "", busy],
  [503, nginx("503 Service Temporarily Unavailable"), busy],
  [504, nginx("504 Gateway Time-out"), failed, /a proxy in front/],
  [520, "", failed, /a proxy in front/],
  [522, nginx("522: Connection timed out"), failed, /a proxy in front/],
  [524, "error code: 524", failed, /a proxy in front/],
  [530, "error code: 1033", failed, /a proxy in front/],
  [507, "", failed, /InfluxDB failed on its side/],
  [599, "", failed],
  // too large
  [413, "max request size (10485760 bytes) exceeded", tooLarge, /10485760/],
  [413, v2Body("request too large", "cannot read data: points in batch is too large"), tooLarge],
  [413, nginx("413 Request Entity Too Large"), tooLarge, /Entity Too Large/],
  [413, "", tooLarge],
  // the request, whatever its lines
  [402, "", request],
  [411, "", request],
  [414, nginx("414 Request-URI Too Large"), request],
  [415, "unsupported content type", request, /unsupported content type/],
  [431, "", request],
  // the limits of the schema
  [
    422,
    each(lineError(1, "home,room=Kitchen te", schemaLimit("columns per table limit of 500 columns"))),
    dead(1),
  ],
  [422, v3Body(schemaLimit("columns per table limit of 500 columns")), dead(), /limit of 500 columns/],
  [422, v3Body(schemaLimit("tag columns per table limit of 250")), dead()],
  [
    422,
    v3Body(
      schemaLimit("tables limit: attempted to create table but already have 2000 table(s) (limit: 2000)"),
    ),
    dead(),
  ],
  [422, v3Body(databaseLimit), hold("write_database_limit"), /limit of 5 databases/],
  [422, each(lineError(1, "home,room=Kitchen te", databaseLimit)), hold("write_database_limit")],
  [422, v2Body("unprocessable entity", "partial write: points beyond retention policy dropped=1"), doubtful],
  [422, "", doubtful],
  // lines that are named
  [400, first(lineError(2, "home,room=Sunroom te")), dead(2), /a line .*: line 2: invalid column type/],
  [
    400,
    first(lineError(2, "home,room=Sunroom te")).replace(
      "line protocol parsing",
      "parsing failed for write_lp",
    ),
    dead(2),
  ],
  [
    400,
    each(lineError(2, "home,room=Sunroom te"), lineError(4, "home,room=Böden tem")),
    dead(2, 4),
    /2 lines/,
  ],
  [400, first(lineError(3, "home,room=Attic temp=1,note=t 1735545600")), dead(3)],
  [400, listed(2, "error parsing line 2 (1-based): Invalid measurement was provided"), dead(2), /line 2/],
  [400, listed(2, "  error parsing line 2 (1-based): a", "  error parsing line 5 (1-based): b"), dead(2, 5)],
  [400, listed(3), dead(3)],
  // lines that are named wrongly
  [400, first(lineError(1, "home,room=Sunroom te")), doubtful],
  [400, first(lineError(0, "home,room=Kitchen te")), doubtful],
  [400, first(lineError(6, "")), doubtful],
  // answers that nobody explains
  [400, "", doubtful, /\(HTTP 400\)/],
  [400, "[]", doubtful],
  [400, '{"fault":{"faultstring":"Unexpected"}}', doubtful],
  [
    400,
    '{"error":"line protocol parsing error","data":{"error_message":"Found trailing content: \'aaaa',
    doubtful,
  ],
  [400, v3Body("partial write of line protocol occurred", []), doubtful],
  [406, "Not Acceptable", doubtful],
  [418, "", doubtful, /\(HTTP 418\)/],
];

/** 400 without a line: over v3 the request is meant, over v2 nobody knows. */
const withoutLine: readonly (readonly [v3: string, v2: string])[] = [
  ["incoming write was empty", v2Body("invalid", "write buffer error: incoming write was empty")],
  ["missing query parameter 'db'", v2Body("invalid", "missing bucket value")],
  ["serde error: missing field `db`", v2Body("invalid", "no org/bucket destination provided")],
  [
    "serde error: unknown variant `h`, expected one of `auto`, `second`",
    v2Body("invalid", "failed to deserialize org/bucket/precision in request: unknown variant `h`"),
  ],
  [
    v3Body("cannot write to soft-deleted database 'x' - it is marked for deletion"),
    v2Body("invalid", "write buffer error: cannot write to soft-deleted database 'x'"),
  ],
  [
    v3Body("db name did not start with a number or letter"),
    v2Body("invalid", "db name did not start with a number or letter"),
  ],
  [
    v3Body("Authorization header was malformed"),
    '{"error": "Authorization header was malformed, supported auth-schemes are Bearer, Token and Basic"}',
  ],
  ["unacceptable content-encoding: br", v2Body("invalid", "unacceptable content-encoding: br")],
  [
    "error decoding gzip stream: invalid gzip header",
    v2Body("invalid", "error decoding gzip stream: invalid"),
  ],
  [
    "body content is not valid utf8: invalid utf-8 sequence",
    v2Body("invalid", "body content is not valid utf8"),
  ],
  [v3Body(databaseLimit), v2Body("invalid", `write buffer error: catalog update error: ${databaseLimit}`)],
  ["Bad Request", v2Body("invalid", `write buffer error: line protocol parse failed: ${conflict}`)],
  ["400 Bad Request", v2Body("invalid", "write buffer error: error from wal: wal buffer full with 4096 ops")],
];

const dispositions: Readonly<Record<string, string>> = {
  retry: "retry",
  hold: "fatal",
  too_large: "retry",
  refused: "quarantine",
};

function assertOutcome(api: "v3" | "v2", [status, body, expected, says]: Row): void {
  const outcome = classify(answer(status, body), { ...context, api });
  const shown = `${api} ${status} ${body}`;
  assert.equal(outcome.kind, expected.kind, shown);
  if (outcome.kind === "refused") {
    assert.deepEqual(
      outcome.lines.map(({ number }) => number),
      expected.lines,
      shown,
    );
    assert.equal(outcome.isCertain, expected.certain, shown);
  }
  if (!("fault" in outcome)) return;
  const { fault } = outcome;
  assert.equal(fault.code, expected.code, shown);
  assert.match(fault.message, says ?? /\(HTTP \d+(?:: .+)?\)$/, shown);
  assert.ok((fault.hint ?? "").length > 10, shown);
  assert.equal(fault.disposition, dispositions[expected.kind], shown);
}

test("each answer has its one outcome, over v3 and over v2", () => {
  for (const row of both) for (const api of ["v3", "v2"] as const) assertOutcome(api, row);
  assert.ok(both.length > 70);
});

test("a 400 that names no line holds over v3, which always names one, and is doubtful over v2, which never does", () => {
  for (const [v3, v2] of withoutLine) {
    assertOutcome("v3", [400, v3, request]);
    assertOutcome("v2", [400, v2, doubtful]);
  }
});

test("a refused line has the server's reason, and only its own", () => {
  const outcome = classify(
    answer(
      400,
      each(lineError(2, "home,room=Sunroom te"), lineError(5, "uplink,dev_eui=01020", "out of\nrange")),
    ),
    context,
  );
  assert.ok(outcome.kind === "refused");
  assert.deepEqual(outcome.lines, [
    { number: 2, reason: conflict },
    { number: 5, reason: "out of range" },
  ]);
});

test("a 405 from v3 leads to v2 only where auto may still try it", () => {
  assert.deepEqual(classify(answer(405), { ...context, mayUseV2: true }), { kind: "use_v2" });
  for (const api of ["v3", "v2"] as const) {
    const outcome = classify(answer(405), { ...context, api });
    assert.ok(outcome.kind === "hold");
    assert.match(outcome.fault.message, new RegExp(`no ${api} write API`));
  }
});

test("a redirect is not followed and its target is named without query and user", () => {
  for (const status of [301, 302, 307, 308]) {
    const location = "https://user:hunter2@login.example/sign-in?session=hunter2";
    const outcome = classify(answer(status, "", { location }), context);
    assert.ok(outcome.kind === "hold");
    assert.equal(outcome.fault.code, "write_redirected");
    assert.match(outcome.fault.message, /to https:\/\/login\.example\/sign-in \(/);
    assert.doesNotMatch(outcome.fault.message, /hunter2/);
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

test("what the server asks for is what a retry waits, within ten minutes", () => {
  const inMs = (ms: number): string => new Date(context.nowMs + ms).toUTCString();
  const rows: readonly (readonly [retryAfter: string | undefined, afterMs: number | undefined])[] = [
    [undefined, undefined],
    ["0", 0],
    ["7", 7000],
    [inMs(42_000), 42_000],
    [inMs(-42_000), 0],
    [inMs(3 * 365 * 86_400_000), 600_000],
    ["31536000", 600_000],
    ["-5", undefined],
    ["soon", undefined],
    ["", undefined],
  ];
  for (const [retryAfter, afterMs] of rows) {
    for (const status of [408, 409, 425, 429, 500, 502, 503, 504, 522]) {
      const outcome = classify(answer(status, "", { retryAfter }), context);
      assert.ok(outcome.kind === "retry");
      assert.equal(outcome.afterMs, afterMs, `${status} ${retryAfter}`);
    }
  }
});
