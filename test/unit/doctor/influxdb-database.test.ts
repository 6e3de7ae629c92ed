/** What is said of a database and of how long it keeps rows. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Finding } from "../../../src/doctor/finding.ts";
import {
  configuredMs,
  databasesIn,
  retentionOf,
  tellDatabase,
  type DatabaseContext,
} from "../../../src/doctor/influxdb-database.ts";
import type { InfluxHttp, TimedAnswer } from "../../../src/doctor/influxdb-http.ts";
import { Lines } from "../../../src/doctor/lines.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

function answer(status: number, body: unknown): TimedAnswer {
  return {
    status,
    body: typeof body === "string" ? body : JSON.stringify(body),
    retryAfter: undefined,
    location: undefined,
    isWhole: true,
    headers: {},
    askedMs: 0,
    answeredMs: 0,
    tookMs: 0,
  };
}

function told(context: Partial<DatabaseContext>): Finding {
  const found: Finding[] = [];
  const lines = new Lines("influxdb.main", ["database"], (finding) => found.push(finding));
  const usual = {
    database: "farm",
    wanted: undefined,
    edition: "core",
    names: ["farm"],
    retention: undefined,
  };
  tellDatabase(lines, { ...usual, ...context } as DatabaseContext);
  assert.equal(found.length, 1);
  return found[0] as Finding;
}

test("a list of databases leaves out the server's own, and anything else is no list", () => {
  const rows = [{ "iox::database": "_internal" }, { "iox::database": "farm" }, { other: 1 }, null];
  assert.deepEqual(databasesIn(answer(200, rows)), ["farm"]);
  assert.equal(databasesIn(answer(403, rows)), undefined);
  assert.equal(databasesIn(answer(200, "<html>")), undefined);
});

describe("the retention of a database", () => {
  function asking(...answers: readonly TimedAnswer[]): { http: InfluxHttp; paths: string[] } {
    const paths: string[] = [];
    const left = [...answers];
    const http: InfluxHttp = {
      ask: async ({ path }) => {
        paths.push(path);
        return left.shift() ?? answer(404, "");
      },
      close() {},
    };
    return { http, paths };
  }
  const never = new AbortController().signal;

  test("is read from the server's own table; a null is for ever", async () => {
    const days = asking(answer(200, [{ retention_period_ns: 30 * dayMs * 1e6 }]));
    assert.equal(await retentionOf(days.http, "farm", never), 30 * dayMs);
    assert.deepEqual(days.paths, ["/api/v3/query_sql"]);
    assert.equal(await retentionOf(asking(answer(200, [{}])).http, "farm", never), "forever");
  });

  test("is read from InfluxQL where the table is not shown, and unknown where neither is", async () => {
    const policy = (duration: unknown) => asking(answer(403, "no"), answer(200, [{ duration }])).http;
    assert.equal(await retentionOf(policy("168h0m0s"), "farm", never), 168 * hourMs);
    assert.equal(await retentionOf(policy("0s"), "farm", never), "forever");
    assert.equal(await retentionOf(policy(""), "farm", never), undefined);
    assert.equal(await retentionOf(policy(7), "farm", never), undefined);
    const none = asking(answer(200, []), answer(400, "no"));
    assert.equal(await retentionOf(none.http, "farm", never), undefined);
    assert.deepEqual(none.paths, ["/api/v3/query_sql", "/api/v3/query_influxql"]);
  });

  test("of a configuration counts as InfluxDB counts it", () => {
    assert.equal(configuredMs("90d"), 90 * dayMs);
    assert.equal(configuredMs("1w2d3h"), 9 * dayMs + 3 * hourMs);
    assert.equal(configuredMs("1mo"), 2_630_016_000);
    assert.equal(configuredMs("1y"), 31_557_600_000);
  });
});

describe("the line about the database", () => {
  test("says how long it keeps rows, and what becomes of late ones", () => {
    const kept = told({ retention: 30 * dayMs });
    assert.equal(kept.severity, "ok");
    assert.match(kept.text, /keeps rows 30 days; what arrives later/);
    assert.match(told({ retention: "forever" }).text, /keeps rows for ever$/);
    assert.match(told({ retention: undefined }).text, /is not told/);
  });

  test("warns of a retention that an outage over a weekend outlasts", () => {
    assert.equal(told({ retention: 72 * hourMs }).severity, "ok");
    const short = told({ retention: 71 * hourMs });
    assert.equal(short.severity, "warning");
    assert.match(short.hint ?? "", /update database farm/);
  });

  test("warns of a retention that is not the configured one, which nobody changes by himself", () => {
    assert.equal(told({ wanted: "90d", retention: 90 * dayMs }).severity, "ok");
    for (const retention of [30 * dayMs, "forever"] as const) {
      const other = told({ wanted: "90d", retention });
      assert.equal(other.severity, "warning");
      assert.match(other.hint ?? "", /--retention-period 90d/);
    }
  });

  test("of one that does not exist says who will create it", () => {
    const names = ["other"];
    assert.equal(told({ names }).severity, "warning");
    assert.match(told({ names }).text, /for ever/);
    assert.equal(told({ names, wanted: "90d" }).severity, "ok");
    assert.equal(told({ names, wanted: "90d", edition: "enterprise" }).severity, "warning");
  });

  test("fails where Core makes no further one", () => {
    const names = ["a", "b", "c", "d"];
    assert.equal(told({ names }).severity, "warning");
    const full = told({ names: [...names, "e"] });
    assert.deepEqual([full.severity, full.code], ["failure", "database_limit_reached"]);
    assert.equal(told({ names: [...names, "farm"] }).severity, "ok");
    assert.equal(told({ names: [...names, "e"], edition: "enterprise" }).severity, "warning");
  });

  test("is left to Flight where HTTP tells nothing", () => {
    assert.equal(told({ names: undefined, edition: undefined }).severity, "skipped");
  });
});
