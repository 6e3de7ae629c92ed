import assert from "node:assert/strict";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { BugError } from "../../../src/lib/fault.ts";
import { FileLedger, MemoryLedger, readLedger } from "../../../src/sandbox/ledger.ts";
import type { PublishedUplink } from "../../../src/sandbox/ledger.ts";
import { temporaryFolder } from "../../support/wait.ts";

function uplink(deduplicationId: string): PublishedUplink {
  return {
    deduplicationId,
    applicationId: "app",
    devEui: "24e124538b223213",
    profileName: "Climate",
    timeNs: 1_749_818_692_653_481_123n,
    fCnt: 3,
    fPort: 85,
    dr: 5,
    spreadingFactor: 7,
    receptions: [{ gatewayId: "0016c001aabbccdd", rssiDbm: -68, snrDb: 13.2 }],
    leaves: new Map<string, string | number | boolean>([
      ["temperature", -0.5],
      ["state", "öpen\n"],
      ["on", false],
    ]),
  };
}

test("a ledger file tells another process what was published and acknowledged", async () => {
  await using folder = await temporaryFolder("ledger");
  const path = join(folder.path, "ledger.ndjson");
  const file = new FileLedger(path);
  file.published(uplink("a"));
  file.published(uplink("b"));
  file.acknowledged("b");
  file.close();
  const ledger = await readLedger(path);
  assert.deepEqual(
    [...ledger.entries()],
    [
      { uplink: uplink("a"), acknowledged: false },
      { uplink: uplink("b"), acknowledged: true },
    ],
  );
  assert.deepEqual([ledger.publishedCount, ledger.acknowledgedCount], [2, 1]);
  assert.equal([...ledger.entries()].length, 2, "the entries can be read again");
});

test("a line that a crash cut off at any byte costs that line and no other", async () => {
  await using folder = await temporaryFolder("ledger");
  const path = join(folder.path, "ledger.ndjson");
  const first = new FileLedger(path);
  first.published(uplink("a"));
  first.close();
  const whole = await readFile(path);
  for (const length of [whole.length - 2, Math.floor(whole.length / 2), 2]) {
    await writeFile(path, whole.subarray(0, length));
    const next = new FileLedger(path);
    next.published(uplink("b"));
    next.acknowledged("b");
    next.close();
    await appendFile(path, '{"acknowledged":"b');
    const ids = [...(await readLedger(path)).entries()].map((entry) => entry.uplink.deduplicationId);
    assert.deepEqual(ids, ["b"]);
  }
});

test("a second publication of one id and an acknowledgement of none are bugs of the publisher", () => {
  const ledger = new MemoryLedger();
  ledger.published(uplink("a"));
  assert.throws(() => ledger.published(uplink("a")), BugError);
  assert.throws(() => ledger.acknowledged("z"), BugError);
  ledger.acknowledged("a");
  ledger.acknowledged("a");
  assert.equal(ledger.acknowledgedCount, 1);
});
