import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { BugError, Fault } from "../../../../src/lib/fault.ts";
import { callMetadata, type MetadataParts } from "../../../../src/influx/flight/metadata.ts";

const parts: MetadataParts = {
  token: "apiv3_secret",
  database: "gateway",
  requestId: "id-1",
  own: undefined,
  timeoutMs: 1500.2,
};

function refused(more: Partial<MetadataParts>, words: RegExp): void {
  assert.throws(
    () => callMetadata({ ...parts, ...more }),
    (error) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.code, "flight_bad_metadata");
      assert.match(error.message, words);
      assert.doesNotMatch(inspect(error), /private/);
      return true;
    },
  );
}

test("a call carries token, database, request id, deadline and the caller's own", () => {
  assert.deepEqual(callMetadata({ ...parts, own: { "iox-debug": "on" } }).getMap(), {
    "iox-debug": "on",
    database: "gateway",
    "x-request-id": "id-1",
    authorization: "Bearer apiv3_secret",
    "grpc-timeout": "1501m",
  });
  for (const token of [undefined, ""]) {
    assert.equal(callMetadata({ ...parts, token }).get("authorization").length, 0);
  }
});

test("the deadline has at most eight digits and is never zero", () => {
  const rows = [
    [0, "1m"],
    [99_999_999, "99999999m"],
    [1e8, "100000S"],
    [Infinity, "99999999S"],
  ] as const;
  for (const [timeoutMs, text] of rows) {
    assert.deepEqual(callMetadata({ ...parts, timeoutMs }).get("grpc-timeout"), [text]);
  }
});

test("metadata that gRPC would refuse is a fault of the query, which does not show its value", () => {
  for (const key of [
    "",
    "Upper",
    "a b",
    "grpc-timeout",
    "x-bin",
    "authorization",
    "connection",
    "ü",
    ":path",
  ]) {
    refused({ own: { [key]: "private" } }, /has metadata named "/);
  }
  for (const value of ["private\n", "private\u00e9", "\0private"]) {
    refused({ own: { "x-a": value } }, /metadata x-a holds/);
    refused({ database: value }, /name of the database holds/);
    refused({ requestId: value }, /request id holds/);
  }
  refused({ own: { "x-a": 1 as unknown as string } }, /metadata x-a holds/);
  refused({ own: { "x-a": "a".repeat(9000) } }, /9003 bytes/);
});

test("metadata that a server would break the connection for is a fault of the query", () => {
  refused({ database: "private".repeat(20_000) }, /the name of the database is 140000 characters long/);
  refused({ requestId: "private".repeat(20_000) }, /the request id is 140000 characters long/);
  const keys = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, "private"]));
  refused({ own: keys(65) }, /metadata of the query has 65 keys/);
  callMetadata({ ...parts, own: keys(64), database: "d".repeat(512), requestId: "r".repeat(512) });
});

test("a token that no metadata can carry is a bug, and does not show", () => {
  for (const token of ["abc\n", "a b", "schlüssel"]) {
    assert.throws(
      () => callMetadata({ ...parts, token }),
      (error) => error instanceof BugError && !inspect(error).includes(token.trim()),
    );
  }
});
