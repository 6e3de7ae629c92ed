import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type DaemonDeps, examineDaemon, type Judgement } from "../../../src/doctor/daemon.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import {
  controlAnswerUnusable,
  controlForbidden,
  daemonAbsent,
  daemonSilent,
} from "../../../src/status/control-faults.ts";
import type { DaemonStatus } from "../../../src/status/daemon-status.ts";
import { directory } from "../status/control-fixture.ts";
import { daemonStatus } from "../status/fixture.ts";

const well: Judgement = { causes: [], doubts: [] };
const never = new AbortController().signal;

async function examine(deps: Partial<DaemonDeps>): Promise<Finding[]> {
  const found: Finding[] = [];
  const all: DaemonDeps = {
    ask: async () => await Promise.resolve({ status: daemonStatus() }),
    judge: () => well,
    version: "0.1.0",
    dataDir: undefined,
    ...deps,
  };
  await examineDaemon(all)((finding) => found.push(finding), never);
  return found;
}

function failing(error: Error): DaemonDeps["ask"] {
  return async () => {
    await turn();
    throw error;
  };
}

function running(changes: Partial<DaemonStatus>): DaemonDeps["ask"] {
  return async () => await Promise.resolve({ status: daemonStatus({ ...changes, snapshot: {} }) });
}

const absent = failing(daemonAbsent([{ path: "/x/control.sock", found: "not there" }]));

describe("a daemon that runs", () => {
  test("is told with version, uptime and pid, and that it has nothing to complain of", async () => {
    const found = await examine({});
    assert.deepEqual(
      found.map(({ check, severity, text }) => [check, severity, text]),
      [
        ["daemon.running", "ok", "flightline 0.1.0 has been running for 3 days, pid 812, node barn-7"],
        ["daemon.troubles", "ok", "it has nothing to complain of"],
      ],
    );
    assert.equal(found[0]?.figures?.["uptimeMs"], 273_600_000);
  });

  test("its uptime is in the largest unit of which there are two", async () => {
    const rows: readonly (readonly [number, string])[] = [
      [119_999, "119 s"],
      [120_000, "2 min"],
      [7_199_999, "119 min"],
      [7_200_000, "2 h"],
      [172_799_999, "47 h"],
      [172_800_000, "2 days"],
    ];
    for (const [uptimeMs, expected] of rows) {
      const [first] = await examine({ ask: running({ uptimeMs }) });
      assert.ok(first?.text.includes(` running for ${expected}, `), first?.text);
    }
  });

  test("of another version than the command is a warning", async () => {
    const found = await examine({ ask: running({ version: "0.0.9" }) });
    const [, other] = found;
    assert.deepEqual([other?.check, other?.severity], ["daemon.version", "warning"]);
    assert.equal(other?.text, "the daemon that runs is flightline 0.0.9, and this command is 0.1.0");
  });

  test("what it complains of is a failure, with code and hint, and its doubts are warnings", async () => {
    const judge = (): Judgement => ({
      causes: [{ message: "the disk is full", code: "journal_full", hint: "make room" }],
      doubts: [{ message: "no types", code: undefined, hint: undefined }],
    });
    const [, ...rest] = await examine({ judge });
    assert.deepEqual(rest, [
      {
        check: "daemon.troubles",
        severity: "failure",
        text: "it says: the disk is full",
        code: "journal_full",
        hint: "make room",
      },
      {
        check: "daemon.troubles",
        severity: "warning",
        text: "it says: no types",
        code: undefined,
        hint: undefined,
      },
    ]);
  });

  test("of many complaints four are shown, and the rest is counted as bad as its worst", async () => {
    const many = (count: number): Judgement["causes"] =>
      Array.from({ length: count }, (_, index) => ({
        message: `m${index}`,
        code: undefined,
        hint: undefined,
      }));
    const [, ...bad] = await examine({ judge: () => ({ causes: many(6), doubts: [] }) });
    assert.deepEqual([bad.length, bad.at(-1)?.severity], [5, "failure"]);
    assert.equal(bad.at(-1)?.text, "it complains of 2 more");
    const [, ...mixed] = await examine({ judge: () => ({ causes: many(4), doubts: many(1) }) });
    assert.equal(mixed.at(-1)?.severity, "warning");
    const [, ...four] = await examine({ judge: () => ({ causes: many(4), doubts: [] }) });
    assert.equal(four.length, 4);
  });
});

describe("no daemon", () => {
  test("that has never run is no trouble", async (t) => {
    for (const dataDir of [directory(t), "/nowhere/at/all"]) {
      const [only, ...rest] = await examine({ ask: absent, dataDir });
      assert.deepEqual(
        [only?.severity, only?.text, rest],
        ["skipped", "no daemon runs, and none has run here before", []],
      );
    }
  });

  test("that has run before is a warning that says how to start it", async (t) => {
    const dataDir = directory(t);
    writeFileSync(join(dataDir, "journal.db"), "");
    const [only] = await examine({ ask: absent, dataDir });
    assert.deepEqual([only?.severity, only?.code], ["warning", "daemon_absent"]);
    assert.equal(only?.text, `no daemon runs, and one has before: its journal is in ${dataDir}`);
    assert.match(only?.hint ?? "", /systemctl start flightline/);
  });

  test("of which nobody can tell whether it has run is said as it is", async (t) => {
    const file = join(directory(t), "file");
    writeFileSync(file, "");
    mkdirSync(join(directory(t), "data"));
    for (const dataDir of [undefined, file]) {
      const [only] = await examine({ ask: absent, dataDir });
      assert.deepEqual(
        [only?.severity, only?.text],
        ["skipped", "no daemon answers: /x/control.sock (not there)"],
      );
    }
  });
});

describe("a daemon that cannot be asked", () => {
  test("by this user is a warning with what to do; a silent or strange one is a failure", async () => {
    const [forbidden] = await examine({ ask: failing(controlForbidden("/x", "run it with sudo")) });
    assert.deepEqual(
      [forbidden?.severity, forbidden?.code, forbidden?.hint],
      ["warning", "control_forbidden", "run it with sudo"],
    );
    for (const fault of [daemonSilent("/x", 5000), controlAnswerUnusable("/x", "HTTP 500")]) {
      const [only, ...rest] = await examine({ ask: failing(fault) });
      assert.deepEqual([only?.severity, only?.code, rest], ["failure", fault.code, []]);
    }
  });

  test("what is no failure of the world is thrown", async () => {
    await assert.rejects(examine({ ask: failing(new TypeError("a bug")) }), TypeError);
  });
});
