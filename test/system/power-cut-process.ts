/**
 * Commits messages through the journal in argv[2] until it dies, and writes each seq to stdout once its
 * commit has returned: the moment at which a PUBACK would go out.
 */
import { writeSync } from "node:fs";
import { Journal } from "../../src/journal/journal.ts";
import type { IncomingMessage } from "../../src/journal/message.ts";
import { systemClock as clock } from "../../src/lib/clock.ts";

const dir = process.argv[2] ?? "";
const keepSettledMs = 3_600_000;
const journal = Journal.open(
  { dir, commitIntervalMs: 1, maxSizeBytes: 16 * 1024 * 1024, keepSettledMs, whenFull: "stop_acking" },
  clock,
  "boot",
);

function message(seq: number): IncomingMessage {
  return {
    source: "main",
    topic: "application/1/device/0102030405060708/event/up",
    payload: Buffer.from(`message ${seq} `.padEnd(1000, ".")),
    receivedMs: clock.nowMs(),
    uptimeMs: clock.uptimeMs(),
    clockTrusted: true,
    duplicate: false,
    retained: false,
    qos: 1,
  };
}

for (;;) {
  const count = 1 + (journal.lastSeq % 4);
  const group = Array.from({ length: count }, (_, index) => message(journal.lastSeq + 1 + index));
  for (const { seq } of journal.commit(group)) writeSync(1, `${seq}\n`);
  journal.checkpointWhenDue();
}
