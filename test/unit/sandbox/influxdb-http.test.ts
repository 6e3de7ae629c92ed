import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Fault } from "../../../src/lib/fault.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { Refused } from "../../../src/sandbox/influxdb/answer.ts";
import { authorize } from "../../../src/sandbox/influxdb/auth.ts";
import { databaseNameProblem } from "../../../src/sandbox/influxdb/database-name.ts";
import { loadDuckDb } from "../../../src/sandbox/influxdb/duckdb.ts";
import { Faults } from "../../../src/sandbox/influxdb/faults.ts";
import { FlushQueue, QueueFull } from "../../../src/sandbox/influxdb/flush-queue.ts";
import { isoNanoseconds, printResult } from "../../../src/sandbox/influxdb/format.ts";

describe("a token", () => {
  const auth = { token: new Secret("apiv3_good"), powerlessToken: new Secret("apiv3_weak") };
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
  const malformed =
    '{"error": "Authorization header was malformed, the request was not in the form of ' +
    "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and Basic\"}";
  const unknown = '{"error": "the request was not authenticated"}';
  const cases: [header: string | undefined, status: number, body: string][] = [
    ["Bearer apiv3_good", 200, ""],
    ["Token apiv3_good", 200, ""],
    [basic("user:apiv3_good"), 200, ""],
    [undefined, 401, unknown],
    ["Bearer nope", 401, unknown],
    [basic("user:nope"), 401, unknown],
    ["bearer apiv3_good", 400, malformed],
    ["Bearer", 400, malformed],
    ["Bearer a b", 400, malformed],
    [basic("no-colon"), 400, malformed],
    ["Bearer apiv3_weak", 403, '{"error": "unauthorized to perform requested action with the token"}'],
  ];
  for (const [header, status, body] of cases) {
    test(`${header ?? "none"} is ${status}`, () => {
      const answer = answerOf(() => authorize(header, auth));
      assert.deepEqual([answer.status, answer.body], [status, body]);
    });
  }

  test("none is asked for when none is set", () => {
    assert.doesNotThrow(() => authorize(undefined, undefined));
  });

  function answerOf(work: () => void): { status: number; body?: string } {
    try {
      work();
      return { status: 200, body: "" };
    } catch (error) {
      assert.ok(error instanceof Refused);
      return error.answer;
    }
  }
});

describe("a database name", () => {
  const names: [name: string, problem: RegExp | undefined][] = [
    ["lorawan", undefined],
    ["0a-b_c", undefined],
    ["db/autogen", undefined],
    ["", /cannot be empty/],
    ["_internal", /did not start with a number or letter/],
    ["é", /invalid character/],
    ["a b", /invalid character/],
    ["a/", /invalid retention policy/],
    ["a/b/c", /invalid retention policy/],
    ["a".repeat(512), /too long: max 511/],
  ];
  for (const [name, problem] of names) {
    test(`"${name.slice(0, 20)}"`, () => {
      const found = databaseNameProblem(name);
      if (problem === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", problem);
    });
  }
});

describe("results", () => {
  const result = {
    columns: [
      { name: "n", type: "int64", influx: "field::integer" },
      { name: "f", type: "float64", influx: undefined },
      { name: "s", type: "utf8", influx: "tag" },
      { name: "time", type: "timestamp", influx: "timestamp" },
    ],
    rows: [
      [9007199254740993n, 2, 'a "b", c', 1_700_000_000_000_000_001n],
      [null, 0.5, "x", -1n],
    ],
  } as const;

  test("json leaves nulls out and keeps integers exact", () => {
    assert.equal(
      printResult(result, "json"),
      String.raw`[{"n":9007199254740993,"f":2.0,"s":"a \"b\", c","time":"2023-11-14T22:13:20.000000001"},` +
        `{"f":0.5,"s":"x","time":"1969-12-31T23:59:59.999999999"}]`,
    );
    assert.equal(printResult({ columns: result.columns, rows: [] }, "json"), "[]");
  });

  test("json_lines has a line per row", () => {
    assert.equal(printResult(result, "json_lines").split("\n").length, 3);
  });

  test("csv quotes where it must", () => {
    assert.equal(
      printResult(result, "csv"),
      'n,f,s,time\n9007199254740993,2.0,"a ""b"", c",2023-11-14T22:13:20.000000001\n,0.5,x,1969-12-31T23:59:59.999999999\n',
    );
  });

  test("pretty is a table", () => {
    assert.equal(
      printResult(
        { columns: [{ name: "a", type: "boolean", influx: undefined }], rows: [[true], [null]] },
        "pretty",
      ),
      "+------+\n| a    |\n+------+\n| true |\n|      |\n+------+",
    );
  });

  const times: [ns: bigint, text: string][] = [
    [0n, "1970-01-01T00:00:00"],
    [1_500_000_000n, "1970-01-01T00:00:01.500"],
    [1_000_001_000n, "1970-01-01T00:00:01.000001"],
    [1_000_000_100n, "1970-01-01T00:00:01.000000100"],
    [9223372036854775807n, "2262-04-11T23:47:16.854775807"],
  ];
  for (const [ns, text] of times) {
    test(`${ns} ns is ${text}`, () => {
      assert.equal(isoNanoseconds(ns), text);
    });
  }
});

describe("the flush", () => {
  test("all writes of an interval are one commit, and each waits for it", async () => {
    const commits: number[] = [];
    const queue = new FlushQueue({
      intervalMs: 5,
      maxWrites: 10,
      commit: async (points) => {
        commits.push(points.length);
        await Promise.resolve();
      },
    });
    await Promise.all([queue.append([]), queue.append([]), queue.append([])]);
    assert.equal(commits.length, 1);
    await queue.stop();
  });

  test("a commit that fails fails all its writes, and none after them", async () => {
    let fail = true;
    const queue = new FlushQueue({
      intervalMs: 5,
      maxWrites: 10,
      commit: async () => {
        await Promise.resolve();
        if (fail) throw new Error("disk full");
      },
    });
    const outcomes = await Promise.allSettled([queue.append([]), queue.append([])]);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ["rejected", "rejected"],
    );
    fail = false;
    await queue.append([]);
    await queue.stop();
  });

  test("more writes than the limit are refused, and the others flushed by stop", async () => {
    const queue = new FlushQueue({ intervalMs: 60_000, maxWrites: 1, commit: async () => {} });
    const first = queue.append([]);
    await assert.rejects(queue.append([]), (error) => error instanceof QueueFull && error.writes === 1);
    await queue.stop();
    await first;
  });
});

test("planted faults are met in their order and counted", () => {
  const faults = new Faults();
  faults.nextWrites({ kind: "answer", status: 503 }, 2);
  faults.nextWrites({ kind: "hang" });
  assert.equal(faults.waiting, 3);
  assert.deepEqual(
    [faults.take()?.kind, faults.take()?.kind, faults.take()?.kind, faults.take()?.kind],
    ["answer", "answer", "hang", undefined],
  );
  assert.deepEqual(faults.seen, { answer: 2, lose_answer: 0, reset: 0, hang: 1 });
});

test("a missing DuckDB is a fault that says what to install", async () => {
  await assert.rejects(
    loadDuckDb(async () => await Promise.reject(new Error("Cannot find package"))),
    (error) =>
      error instanceof Fault &&
      error.code === "sandbox_duckdb_missing" &&
      /npm install @duckdb\/node-api/.test(error.hint ?? ""),
  );
});
