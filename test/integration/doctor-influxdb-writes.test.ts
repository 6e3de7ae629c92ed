/** What is said of the write API: by every answer that may come of it, from servers that really listen. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { examineInfluxdb } from "../../src/doctor/influxdb.ts";
import type { InfluxConfig } from "../../src/influx/config.ts";
import {
  type Answers,
  assertFailure,
  configOf,
  type Found,
  foundBy,
  json,
  planted,
  pong,
} from "../support/doctor-influxdb-stage.ts";

async function examine(url: string, more: Partial<InfluxConfig> = {}): Promise<Found> {
  const config = configOf(url, more);
  return await foundBy(examineInfluxdb("main", config), config);
}

/** The URL of a server that answers both write APIs so, and knows nothing else. */
async function answering(
  t: TestContext,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const answer: Answers[string] = (_request, response) => response.writeHead(status, headers).end(body);
  const { url } = await planted(t, { "POST /api/v3/write_lp": answer, "POST /api/v2/write": answer });
  return url;
}

const listed = json(200, [{ "iox::database": "farm" }]);
const named = {
  error: "line protocol parsing error",
  data: { original_line: "flightline_doctor_as", line_number: 1, error_message: "no fields" },
};
const refusesLine = json(400, named);
const page = "<html><head><title>Oh</title></head></html>";

interface Row {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: both. */
  readonly api?: "v3" | "v2";
  /** Fault code of a failure, or the severity of what is none. */
  readonly told: string;
  readonly text: RegExp;
  readonly cure?: RegExp;
}

const rows: readonly Row[] = [
  { status: 400, body: JSON.stringify(named), api: "v3", told: "ok", text: /v3 write API is there/ },
  {
    status: 400,
    body: JSON.stringify({ ...named, data: [named.data] }),
    api: "v3",
    told: "ok",
    text: /v3 write API is there/,
  },
  {
    status: 400,
    body: '{"code":"invalid","line":1,"message":"error parsing line 1 (1-based): no fields"}',
    api: "v2",
    told: "ok",
    text: /v2 write API is there/,
  },
  {
    status: 400,
    body: '{"error":"cannot write to soft-deleted database"}',
    api: "v3",
    told: "write_request_refused",
    text: /HTTP 400: cannot write to soft-deleted database/,
    cure: /not deleted/,
  },
  {
    status: 400,
    body: "Request blocked by policy",
    api: "v3",
    told: "write_request_refused",
    text: /HTTP 400: Request blocked by policy/,
    cure: /no proxy in between/,
  },
  {
    status: 400,
    body: "Request blocked by policy",
    api: "v2",
    told: "warning",
    text: /HTTP 400: Request blocked by policy/,
    cure: /firewall/,
  },
  { status: 400, body: page, told: "write_answer_not_influxdb", text: /HTTP 400: Oh/, cure: /influxdb\.url/ },
  {
    status: 401,
    body: '{"error":"the request was not authenticated"}',
    told: "write_unauthorized",
    text: /does not know the token \(HTTP 401: the request was not/,
    cure: /token_file/,
  },
  { status: 403, told: "write_forbidden", text: /may not write here \(HTTP 403\)/, cure: /write permission/ },
  { status: 404, told: "write_not_found", text: /no such database/, cure: /influxdb3 create database/ },
  { status: 407, told: "proxy_unauthorized", text: /HTTP 407/, cure: /proxy_username/ },
  {
    status: 413,
    body: page,
    told: "write_too_large",
    text: /larger than the server takes \(HTTP 413: Oh\), and it has 47 bytes$/,
    cure: /client_max_body_size/,
  },
  { status: 415, told: "write_request_refused", text: /HTTP 415/, cure: /what stands in between/ },
  {
    status: 422,
    body: '{"error":"Adding a new database would exceed limit of 5 databases"}',
    told: "write_database_limit",
    text: /takes no further one \(HTTP 422: Adding/,
    cure: /delete one/,
  },
  { status: 422, body: '{"message":"x"}', told: "warning", text: /HTTP 422: x/, cure: /firewall/ },
  {
    status: 429,
    headers: { "retry-after": "30" },
    told: "write_overloaded",
    text: /asks to slow down \(HTTP 429\)/,
    cure: /waits in the journal/,
  },
  {
    status: 503,
    body: "busy",
    told: "write_overloaded",
    text: /HTTP 503: busy/,
    cure: /waits in the journal/,
  },
  { status: 500, told: "write_server_error", text: /failed on its side \(HTTP 500\)/, cure: /own log/ },
  { status: 502, told: "write_server_error", text: /proxy in front of InfluxDB/, cure: /that InfluxDB runs/ },
  {
    status: 307,
    headers: { location: "https://elsewhere.example/?token=x" },
    told: "write_redirected",
    text: /to https:\/\/elsewhere\.example\/ \(HTTP 307\)$/,
    cure: /final address/,
  },
  { status: 204, told: "write_takes_anything", text: /no line protocol/, cure: /mock/ },
  { status: 200, body: page, told: "write_answer_not_influxdb", text: /HTTP 200: Oh/, cure: /login page/ },
  { status: 511, told: "write_answer_not_influxdb", text: /HTTP 511/, cure: /login page/ },
];

test("each answer to a write has its line, as the daemon takes it", async (t) => {
  for (const { status, body = "", headers, api, told, text, cure } of rows) {
    const url = await answering(t, status, body, headers);
    for (const writeApi of api === undefined ? (["v3", "v2"] as const) : [api]) {
      const finding = (await examine(url, { writeApi })).of("write");
      const name = `${status} over ${writeApi}: ${JSON.stringify(finding)}`;
      assert.equal(finding.code ?? finding.severity, told, name);
      assert.equal(finding.severity === "failure", finding.code !== undefined, name);
      assert.match(finding.text, text, name);
      assert.match(finding.hint ?? "", cure ?? /^$/, name);
    }
  }
});

test("where nothing but writing is let through, the write tells of the token", async (t) => {
  const cloud = (status: number) =>
    planted(t, {
      "POST /api/v3/write_lp": json(405, {}),
      "POST /api/v2/write": json(status, { code: "invalid", line: 1, message: "unable to parse" }),
    });
  const taken = await examine((await cloud(400)).url);
  assert.deepEqual([taken.of("token").severity, taken.of("write").severity], ["ok", "ok"]);
  assert.match(taken.of("write").text, /Clustered, Dedicated or Serverless/);
  assert.deepEqual([taken.of("server").severity, taken.of("database").severity], ["skipped", "skipped"]);
  const unknown = await examine((await cloud(401)).url);
  assert.equal(unknown.of("token").severity, "skipped");
  assertFailure(unknown.of("write"), "write_unauthorized", /token_file/);
  assertFailure((await examine((await cloud(404)).url)).of("write"), "write_not_found", /create/);
});

test("what is sent to be refused cannot create a database, nor be taken for nothing, in either API", async (t) => {
  const sent: string[] = [];
  const refuse = (status: number): Answers[string] => {
    return (request, response) => {
      request.on("data", (chunk: Buffer) => sent.push(`${request.url} ${chunk.toString()}`));
      request.on("end", () => response.writeHead(status).end('{"code":"invalid","line":1,"message":"x"}'));
    };
  };
  const { url } = await planted(t, {
    "POST /api/v3/write_lp": refuse(405),
    "POST /api/v2/write": refuse(400),
  });
  assert.equal((await examine(url, { database: "farm/week" })).of("write").severity, "ok");
  // One word: a measurement without a field. A comment, or nothing, would be an empty write, and that creates.
  assert.equal(sent.length, 2);
  assert.match(
    sent[0] ?? "",
    /^\/api\/v3\/write_lp\?db=farm%2Fweek&precision=nanosecond&accept_partial=false [a-z_]+$/,
  );
  assert.match(sent[1] ?? "", /^\/api\/v2\/write\?bucket=farm%2Fweek&precision=ns [a-z_]+$/);
});

test("a refusal that is not the parser's proves nothing, and is quoted", async (t) => {
  const error = "cannot write to soft-deleted database 'farm' - it is marked for deletion";
  const line = { code: "invalid", line: 1, message: "x" };
  const refusals = [
    [JSON.stringify({ code: "invalid", message: error }), /HTTP 400: cannot write to soft-deleted database/],
    [
      JSON.stringify({ error: "partial", data: { error_message: "x", line_number: 2 } }),
      /partial: line 2: x/,
    ],
    [JSON.stringify({ ...line, line: 2 }), /HTTP 400: x/],
    ["", /HTTP 400: nothing/],
  ] as const;
  for (const writeApi of ["v3", "v2"] as const) {
    for (const [body, quoted] of refusals) {
      const { of } = await examine(await answering(t, 400, body), { writeApi });
      assert.deepEqual([of("write").severity, of("token").severity], ["warning", "skipped"], body);
      assert.match(of("write").text, quoted);
    }
  }
});

test("the v2 API of Core names no line: its v3 API proves for both, where v2 answers as InfluxDB", async (t) => {
  const core = (message: unknown) =>
    planted(t, {
      "GET /ping": pong("3.12.2"),
      "GET /api/v3/configure/database": listed,
      "POST /api/v3/write_lp": refusesLine,
      "POST /api/v2/write": json(400, message),
    });
  const { url, asked } = await core({ code: "invalid", message: "line protocol parse failed: x" });
  const { of } = await examine(url, { writeApi: "v2" });
  assert.deepEqual([of("write").severity, of("write").figures], ["ok", { api: "v2" }]);
  assert.ok(asked.includes("POST /api/v3/write_lp"));
  const blocked = await core("blocked");
  const found = await examine(blocked.url, { writeApi: "v2" });
  assert.equal(found.of("write").severity, "warning");
  assert.ok(!blocked.asked.includes("POST /api/v3/write_lp"));
});

test("v2 before 3.10 answers refusals with 500, which is no failure of the endpoint", async (t) => {
  const old = (version: string) =>
    planted(t, {
      "GET /ping": pong(version),
      "GET /api/v3/configure/database": listed,
      "POST /api/v2/write": json(500, { code: "internal error", message: "x" }),
    });
  const before = await examine((await old("3.9.11")).url, { writeApi: "v2" });
  assert.equal(before.of("write").severity, "warning");
  assert.ok(before.all.some(({ figures }) => figures?.["bug"] === "v2_refusals_answer_500"));
  const after = await examine((await old("3.10.0")).url, { writeApi: "v2" });
  assertFailure(after.of("write"), "write_server_error", /log/);
});
