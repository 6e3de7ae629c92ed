import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Fault } from "../../../src/lib/fault.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { frameOf, FrameReader } from "../../../src/streams/frames.ts";
import {
  type FromProcess,
  fromProcessOf,
  maxGroup,
  plainConfigOf,
  type ToProcess,
  toProcessOf,
} from "../../../src/streams/messages.ts";
import { faultOfPlain, plainFaultOf } from "../../../src/streams/plain-fault.ts";

const credit = { rows: 10, bytes: 1000 };
const config = plainConfigOf({
  url: "https://influx.example.net",
  database: "lorawan",
  token: new Secret("abc"),
  tls: { verify: true, caFile: "/etc/ca.pem" },
  timeoutMs: 1000,
});

const behindProxy = plainConfigOf({
  url: "http://influx.example.net",
  database: "lorawan",
  tls: { verify: false },
  proxy: {
    url: "http://proxy:3128",
    setting: "influxdb.proxy",
    username: "barn",
    password: new Secret("abc"),
  },
  timeoutMs: 1000,
});

const toProcess: readonly ToProcess[] = [
  { kind: "configure", id: 1, connections: { main: config, barn: behindProxy } },
  {
    kind: "query",
    id: 2,
    query: { connection: "main", text: "SELECT 1", requestId: "r", timeoutMs: 1 },
    credit,
  },
  {
    kind: "query",
    id: 3,
    query: {
      connection: "barn",
      text: "SELECT 1",
      language: "influxql",
      database: "d",
      params: { a: null, b: false, c: 0, d: 2n ** 63n, e: "" },
      metadata: { "x-a": "b" },
      requestId: "r",
      timeoutMs: 1,
      silenceMs: 1,
      maxBytes: 1,
      retry: "never",
      times: "iso",
    },
    credit,
  },
  { kind: "credit", id: 2, credit },
  { kind: "cancel", id: 2 },
  { kind: "ping", id: 7 },
];

const end = {
  rows: 1,
  batches: 1,
  keepAlives: 0,
  bytes: 9,
  trailers: { a: "b" },
  elapsedMs: 1.5,
  attempts: 1,
};
const vitals = { rssBytes: 1, heapBytes: 2, externalBytes: 3, underWay: 4, dropped: 5 };
const column = { name: "a", arrowType: "Int64", nullable: true, influx: undefined };
const fault = plainFaultOf(new TypeError("x is undefined"));

const fromProcess: readonly FromProcess[] = [
  { kind: "ready", id: 1 },
  { kind: "columns", id: 2, columns: [column, { ...column, influx: { kind: "tag" } }] },
  { kind: "columns", id: 2, columns: [{ ...column, influx: { kind: "field", type: "uinteger" } }] },
  { kind: "rows", id: 2, rows: [{ a: 1n }, {}] },
  { kind: "end", id: 2, end },
  { kind: "fault", id: 2, fault, isFatal: true },
  { kind: "pong", id: 7, vitals },
];

/** The message with each value in it, however deep, in turn replaced by one of another kind. */
function* spoilt(value: object): Generator<object> {
  for (const [name, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    yield { ...value, [name]: Symbol.iterator };
    if (typeof inner === "number" && name !== "c") yield { ...value, [name]: Number.NaN };
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) continue;
    for (const other of spoilt(inner as object)) yield { ...value, [name]: other };
  }
}

test("every message crosses as it is, and one with any value of another kind is none", () => {
  let spoiltOnes = 0;
  for (const message of [...toProcess, ...fromProcess]) {
    const check = (value: unknown): unknown =>
      toProcess.some(({ kind }) => kind === message.kind) ? toProcessOf(value) : fromProcessOf(value);
    const [frame] = new FrameReader().read(frameOf(message) ?? Buffer.alloc(0));
    assert.ok(frame?.kind === "message");
    assert.deepEqual(check(frame.value), message);
    for (const other of spoilt(message)) {
      spoiltOnes += 1;
      assert.equal(check(other), undefined, inspect(other));
    }
  }
  assert.ok(spoiltOnes > 60, `${spoiltOnes} were tried`);
});

test("what is no message at all is none, and neither side takes the other's", () => {
  const nothing = [undefined, null, 1, "ready", [], {}, { kind: "toString", id: 1 }, { kind: "ready" }];
  for (const value of nothing)
    assert.deepEqual([toProcessOf(value), fromProcessOf(value)], [undefined, undefined]);
  for (const message of toProcess) assert.equal(fromProcessOf(message), undefined);
  for (const message of fromProcess) assert.equal(toProcessOf(message), undefined);
  const lists = [
    { kind: "rows", id: 1, rows: [1] },
    { kind: "rows", id: 1, rows: Array.from({ length: maxGroup.rows + 1 }, () => ({})) },
    { kind: "columns", id: 1, columns: [{ ...column, influx: { kind: "field" } }] },
    { kind: "columns", id: 1, columns: [{ ...column, influx: { kind: "tag", type: "float" } }] },
  ];
  for (const value of lists) assert.equal(fromProcessOf(value), undefined);
});

test("a fault crosses with all that it says; anything else that is thrown is a bug with its stack", () => {
  const options = {
    code: "flight_closed",
    layer: "flight",
    disposition: "retry",
    message: "closed with abc",
    hint: "say abc",
  } as const;
  const redact = (text: string): string => text.replaceAll("abc", "[secret]");
  const crossed = faultOfPlain(plainFaultOf(new Fault(options)), redact);
  assert.deepEqual(
    [crossed.code, crossed.layer, crossed.disposition, crossed.message, crossed.hint],
    ["flight_closed", "flight", "retry", "closed with [secret]", "say [secret]"],
  );
  assert.deepEqual(
    [fault.code, fault.message],
    ["streams_request_failed", "the query ended through a bug: x is undefined"],
  );
  assert.match(fault.stack ?? "", /^TypeError: x is undefined\n {4}at /);
  assert.equal(plainFaultOf("text").stack, undefined);
  const long = plainFaultOf(new Error("x".repeat(1e6)));
  assert.ok(long.message.length < 2100 && (long.stack?.length ?? 0) <= 8000);
});
