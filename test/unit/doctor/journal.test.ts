import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeBacklog } from "../../../src/doctor/journal.ts";
import { daemonStatus } from "../status/fixture.ts";

function said(changes: Parameters<typeof daemonStatus>[0], journal = {}): string {
  const base = daemonStatus();
  const snapshot = { journal: { ...base.snapshot.journal, ...journal } };
  const { severity, text } = judgeBacklog(daemonStatus({ ...changes, snapshot }));
  return `${severity}: ${text}`;
}

test("what waits for InfluxDB is counted, with its age, and a quarter of an hour is too long", () => {
  assert.equal(said({}), "ok: 10 messages wait for InfluxDB, the oldest for 3.2 seconds");
  assert.match(said({ oldestUnsentAgoMs: 15 * 60_000 - 1 }), /^ok: /);
  assert.match(said({ oldestUnsentAgoMs: 15 * 60_000 }), /^warning: /);
  assert.equal(
    said({ oldestUnsentAgoMs: 7_200_000 }),
    "warning: 10 messages wait for InfluxDB, the oldest for 2 hours",
  );
  assert.equal(said({ oldestUnsentAgoMs: undefined }), "ok: 10 messages wait for InfluxDB");
});

test("nothing waits, and what was once lost stays said", () => {
  assert.equal(said({}, { backlog: 0 }), "ok: nothing waits for InfluxDB");
  assert.match(
    said({}, { backlog: 0, evicted: 7 }),
    /^ok: nothing waits for InfluxDB; 7 had to leave before that/,
  );
  assert.equal(judgeBacklog(undefined).severity, "skipped");
});
