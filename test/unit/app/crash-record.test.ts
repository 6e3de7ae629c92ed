import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as fc from "fast-check";
import {
  type Crash,
  type CrashRecord,
  crashRecord,
  recallCrash,
  writeCrash,
} from "../../../src/app/crash-record.ts";
import { configRedactor } from "../../../src/app/redaction.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { Secret } from "../../../src/lib/secret.ts";
import type { CrashedRun, Start } from "../../../src/state/starts.ts";
import { calmAfterMs } from "../../../src/supervision/crash-guard.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";

const start: Start = {
  bootId: "boot-a",
  uptimeMs: 1000.5,
  startedAtMs: Date.UTC(2026, 2, 1),
  version: "1.2.3",
};
const asIs = (text: string): string => text;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-crash-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function crash(thrown: unknown, changes: Partial<Crash> = {}): Crash {
  const nodeVersion = "v24.0.0";
  return {
    thrown,
    part: "forward",
    start,
    nodeVersion,
    uptimeMs: 13_000.5,
    nowMs: start.startedAtMs + 12_000,
    ...changes,
  };
}

function recorded(thrown: unknown, redact = asIs): CrashRecord {
  return crashRecord(crash(thrown), redact);
}

/** What the next start makes of what is in the directory. */
function recall(dir: string, fault?: Fault): { readonly runs: CrashedRun[]; readonly log: RecordingLog } {
  const runs: CrashedRun[] = [];
  const log = new RecordingLog();
  const starts = {
    endCrash(run: CrashedRun) {
      runs.push(run);
      return fault;
    },
  };
  recallCrash({ dir, starts, log });
  return { runs, log };
}

test("a crash has what is needed to understand it: error, part, versions, boot, age, time", () => {
  const error = new TypeError("x is not a function");
  assert.deepEqual(recorded(error), {
    format: 1,
    code: "part_crashed",
    message: "x is not a function",
    part: "forward",
    stack: error.stack,
    version: "1.2.3",
    nodeVersion: "v24.0.0",
    bootId: "boot-a",
    uptimeMs: 1000.5,
    startedAtMs: start.startedAtMs,
    ranMs: 12_000,
    crashedAtMs: start.startedAtMs + 12_000,
  });
  assert.equal("part" in crashRecord(crash(error, { part: undefined }), asIs), false);
});

test("a fault keeps its own code, and the causes of an error have their stacks and codes with it", () => {
  const disk = Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR" });
  const fault = new Fault({
    code: "journal_write_failed",
    layer: "journal",
    disposition: "restart",
    message: "a commit failed",
    cause: disk,
  });
  const { code, message, stack } = recorded(fault);
  assert.equal(code, "journal_write_failed");
  assert.equal(message, "a commit failed");
  assert.match(
    stack,
    /a commit failed\n {4}at [^]+\ncaused by: Error: disk I\/O error\n {4}at [^]+SQLITE_IOERR/,
  );
  assert.match(recorded(new AggregateError([disk], "all of them")).stack, /all of them[^]+disk I\/O error/);
  assert.match(recorded(new Error("outer", { cause: "a text" })).stack, /caused by: a text/);
});

test("an error that is its own cause ends", () => {
  const error = new Error("round");
  error.cause = error;
  assert.equal(recorded(error).stack.split("round").length, 1 + 5);
});

test("anything can be thrown: what it is stands in the message, but no value that an object holds", () => {
  const hostile: readonly (readonly [unknown, RegExp])[] = [
    ["a text", /^something that is no Error: a text$/],
    [undefined, /no Error: undefined$/],
    [null, /no Error: null$/],
    [7n, /no Error: 7$/],
    [Symbol("s"), /no Error: Symbol\(s\)$/],
    [{ token: "t0ken", status: 401 }, /no Error: an object with the keys token, status$/],
    [Object.create(null), /no Error: an object with the keys \(none\)$/],
    [new Proxy({}, { ownKeys: refuse, getPrototypeOf: refuse }), /^something that cannot be shown$/],
    [Object.defineProperty(new Error("x"), "message", { get: refuse }), /^something that cannot be shown$/],
    [Object.defineProperty(new Error("x"), "message", { value: 7 }), /^\[not shown/],
    [Object.assign(new Error("still told"), { stack: 7 }), /^still told$/],
    [new RangeError(""), /^RangeError$/],
  ];
  for (const [thrown, message] of hostile) {
    const record = recorded(thrown);
    assert.match(record.message, message);
    assert.equal(record.code, "part_crashed");
    assert.doesNotMatch(JSON.stringify(record), /t0ken/);
  }
});

function refuse(): never {
  throw new Error("nobody looks at me");
}

test("whatever is thrown, what is written is bounded and is read again as it was", (t) => {
  const dir = folder(t);
  const property = fc.property(
    fc.anything({ withNullPrototype: true, withBigInt: true }),
    fc.string(),
    (thrown, text) => {
      for (const one of [thrown, new Error(text), new Error(text.repeat(20_000), { cause: thrown })]) {
        assert.equal(writeCrash(dir, recorded(one)), undefined);
        assert.ok(statSync(join(dir, "crash.json")).size < 128 * 1024);
        assert.deepEqual(recall(dir).log.codes, ["previous_crash"]);
      }
    },
  );
  fc.assert(property, { numRuns: 30, seed: 4 });
  for (const worst of ["\u0001", "\ud800", "€", "😀", '"']) {
    const error = Object.assign(new Error(worst.repeat(300_000)), { stack: worst.repeat(300_000) });
    assert.equal(writeCrash(dir, recorded(error)), undefined);
    assert.ok(statSync(join(dir, "crash.json")).size < 128 * 1024);
    assert.deepEqual(recall(dir).log.codes, ["previous_crash"], JSON.stringify(worst));
  }
});

const config = {
  mqtt: [{ password: new Secret("pa$$word"), topics: ["a"] }],
  influx: { token: new Secret("apiv3_t0ken"), tls: { verify: true } },
  routes: [{ token: new Secret("apiv3_t0ken_of_the_barn") }, {}],
  log: undefined,
};

test("every secret of the configuration is taken out of message, stack and causes", () => {
  const redact = configRedactor(config);
  const cause = new Error("401 for apiv3_t0ken_of_the_barn%20");
  const error = new Error('refused: {"a":"pa$$word"} apiv3\\u005ft0ken', { cause });
  const record = crashRecord(crash(error), redact);
  assert.equal(record.message, 'refused: {"a":"[secret]"} [secret]');
  assert.match(record.stack, /caused by: Error: 401 for \[secret\]%20/);
  assert.doesNotMatch(JSON.stringify(record), /pa\$\$word|t0ken/);
  assert.match(crashRecord(crash("apiv3_t0ken"), redact).message, /: \[secret\]$/);
});

test("a secret that stands where a text is cut is not left in half", () => {
  const short = "apiv3_t0ken";
  const long = `apiv3_${"0123456789".repeat(150)}`;
  const redact = configRedactor({ tokens: [new Secret(short), new Secret(long)] });
  const shows = (raw: string): string => {
    const error = Object.assign(new Error(raw), { stack: raw });
    return JSON.stringify(crashRecord(crash(error), redact));
  };
  for (const length of [1000, 16_000, 128 * 1024]) {
    for (let offset = 0; offset <= short.length; offset += 1) {
      const before = "x".repeat(length - offset);
      for (const after of ["", "y".repeat(5000), "y".repeat(200_000)]) {
        assert.doesNotMatch(shows(`${before}${short}${after}`), /apiv/);
      }
    }
  }
  // Without the secrets there is so little that the place where it was cut is shown.
  assert.doesNotMatch(shows(long.repeat(200)), /apiv|\d{20}/);
});

test("when secrets cannot be taken out, nothing is shown", () => {
  const record = crashRecord(crash(new Error("apiv3_t0ken")), refuse);
  assert.match(record.message, /^\[not shown/);
  assert.doesNotMatch(JSON.stringify(record), /t0ken/);
});

test("the record is one file for the owner and his group, and nothing unfinished beside it", (t) => {
  const dir = folder(t);
  assert.equal(writeCrash(dir, recorded(new Error("first"))), undefined);
  assert.equal(writeCrash(dir, recorded(new Error("second"))), undefined);
  assert.deepEqual(readdirSync(dir), ["crash.json"]);
  assert.equal(statSync(join(dir, "crash.json")).mode & 0o777 & ~0o640, 0);
  assert.match(readFileSync(join(dir, "crash.json"), "utf8"), /"message": "second"/);
});

test("where nothing can be written the reason is returned, and nothing is thrown", (t) => {
  const dir = folder(t);
  assert.equal(writeCrash(join(dir, "absent"), recorded("x")), "ENOENT");
  mkdirSync(join(dir, "crash.json"));
  assert.equal(writeCrash(dir, recorded("x")), "EISDIR");
  assert.deepEqual(readdirSync(dir), ["crash.json"]);
  assert.equal(writeCrash("/proc", recorded("x")), "ENOENT");
});

test("the next start tells of it once, notes it among the starts and keeps it under another name", (t) => {
  const dir = folder(t);
  const error = new TypeError("x is not a function");
  writeCrash(dir, recorded(error));
  const { runs, log } = recall(dir);
  const run = { part: "forward", faultCode: "part_crashed", message: "x is not a function", wasCalm: false };
  assert.deepEqual(runs, [{ ...start, ...run }]);
  assert.equal(log.lines.length, 1);
  const line = log.lines[0];
  assert.equal(line?.code, "previous_crash");
  assert.equal(
    line.message,
    'the daemon crashed in the part "forward", 12 s after it had started: x is not a function',
  );
  assert.equal(line.details["part"], "forward");
  assert.equal(line.details["version"], "1.2.3");
  assert.equal(line.details["crashed_at"], "2026-03-01T00:00:12.000Z");
  assert.match(String(line.details["at"]), /crash-record\.test\.ts:\d+:\d+\)?$/);
  assert.deepEqual(readdirSync(dir), ["crash.last.json"]);
  assert.deepEqual(recall(dir).log.lines, []);
});

test("a run that was old enough when it crashed was calm", (t) => {
  const dir = folder(t);
  const crashAt = (ranMs: number): boolean | undefined => {
    writeCrash(dir, crashRecord(crash("x", { uptimeMs: start.uptimeMs + ranMs }), asIs));
    return recall(dir).runs[0]?.wasCalm;
  };
  assert.equal(crashAt(calmAfterMs - 1), false);
  assert.equal(crashAt(calmAfterMs), true);
});

test("where it happened is the first line of the stack that is ours", (t) => {
  const dir = folder(t);
  const lines = [
    "TypeError: x",
    "    at Socket.emit (node:events:508:28)",
    "    at node:internal/main/run_main_module:36:49",
    "    at new Promise (<anonymous>)",
    "    at Client.write (file:///usr/lib/flightline/node_modules/mqtt/build/client.js:1:2)",
    "    at Forward.run (file:///usr/lib/flightline/dist/pipeline/forward.js:3:4)",
    "    at file:///usr/lib/flightline/dist/app.js:5:6",
  ];
  const at = (stack: readonly string[]): unknown => {
    writeCrash(dir, recorded(Object.assign(new Error("x"), { stack: stack.join("\n") })));
    return recall(dir).log.lines[0]?.details["at"];
  };
  assert.equal(at(lines), "Forward.run (file:///usr/lib/flightline/dist/pipeline/forward.js:3:4)");
  assert.equal(at(lines.toSpliced(5, 1)), "file:///usr/lib/flightline/dist/app.js:5:6");
  assert.equal(at(lines.slice(0, 5)), undefined);
});

test("when the start cannot be written that is told too, and the crash all the same", (t) => {
  const dir = folder(t);
  writeCrash(dir, recorded("x"));
  const fault = new Fault({
    code: "start_unrecorded",
    layer: "journal",
    disposition: "retry",
    message: "state.db cannot be written",
  });
  assert.deepEqual(recall(dir, fault).log.codes, ["start_unrecorded", "previous_crash"]);
});

test("garbage in its place is ignored, told once and kept", (t) => {
  const good = recorded(new Error("x"));
  const garbage: readonly (readonly [string, RegExp])[] = [
    ["", /is damaged/],
    ["\0".repeat(4096), /is damaged/],
    [JSON.stringify(good).slice(0, -1), /is damaged/],
    ["null", /no crash record/],
    ["[]", /no crash record/],
    [JSON.stringify({ ...good, format: 2 }), /no crash record/],
    [JSON.stringify({ ...good, extra: 1 }), /no crash record/],
    [JSON.stringify({ ...good, stack: undefined }), /no crash record/],
    [JSON.stringify({ ...good, uptimeMs: "1" }), /no crash record/],
    [JSON.stringify({ ...good, uptimeMs: -1 }), /no crash record/],
    [JSON.stringify({ ...good, crashedAtMs: 9e15 }), /no crash record/],
    [JSON.stringify({ ...good, bootId: "" }), /no crash record/],
    [JSON.stringify({ ...good, message: "x".repeat(2000) }), /no crash record/],
    [" ".repeat(300_000) + JSON.stringify(good), /no crash record/],
  ];
  for (const [text, why] of garbage) {
    const dir = folder(t);
    writeFileSync(join(dir, "crash.json"), text);
    const { runs, log } = recall(dir);
    assert.deepEqual(log.codes, ["crash_record_unusable"], text.slice(0, 80));
    assert.match(log.lines[0]?.message ?? "", why);
    assert.deepEqual(runs, []);
    assert.deepEqual(recall(dir).log.lines, []);
    assert.equal(readFileSync(join(dir, "crash.last.json"), "utf8"), text);
  }
});

test("a record that cannot be put away is told, and does not keep the daemon from starting", (t) => {
  const dir = folder(t);
  mkdirSync(join(dir, "crash.last.json"));
  writeCrash(dir, recorded("x"));
  const { log } = recall(dir);
  assert.deepEqual(log.codes, ["previous_crash", "crash_record_unusable"]);
  assert.match(log.lines[1]?.message ?? "", /cannot be renamed \(EISDIR\)/);
});

test("without a record nothing is told, also without the directory", (t) => {
  const dir = folder(t);
  assert.deepEqual(recall(dir).log.lines, []);
  assert.deepEqual(recall(join(dir, "absent")).log.lines, []);
});
