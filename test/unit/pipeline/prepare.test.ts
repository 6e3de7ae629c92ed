import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { JournalMessage } from "../../../src/journal/message.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { prepare, type PrepareDeps } from "../../../src/pipeline/prepare.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { joinEvent, junk, numbersIn, uplink } from "../../support/uplinks.ts";
import { temporaryFolder } from "../../support/wait.ts";

const folder = await temporaryFolder("prepare");
const marker = new DecodeMarker(folder.path, "j");
marker.arm();
after(async () => {
  marker.close();
  await folder.remove();
});

function setUp(more: Partial<PrepareDeps> = {}) {
  const deps: PrepareDeps = {
    decode,
    marker,
    deduplicator: new Deduplicator(100),
    clock: { mayRelease: true },
    offsetMs: () => undefined,
    settings: { tags: [], deviceTags: [] },
    counters: newCounters(),
    ...more,
  };
  const log = new MemoryLog();
  const run = (...messages: Parameters<MemoryLog["append"]>[0][]) =>
    prepare(
      messages.map((message) => log.append(message)),
      deps,
    );
  return { deps, counters: deps.counters, run };
}

/** The marker's seq as another process would read it. */
function marked(): bigint {
  return readFileSync(join(folder.path, "decoding")).readBigUInt64LE(36);
}

const untrusted = { clockTrusted: false } as const;
const notReleased = { mayRelease: false };
/** Time of the points of table `uplink`, and where it came from. */
function timeOf(text: string): { timeMs: number; source: string | undefined } {
  const line = text.split("\n").find((one) => one.startsWith("uplink,")) ?? "";
  return {
    timeMs: Number(BigInt(line.split(" ").at(-1) ?? "0") / 1_000_000n),
    source: /time_source="(\w+)"/.exec(line)?.[1],
  };
}

describe("prepare", () => {
  test("an uplink becomes its lines", () => {
    const { run, counters } = setUp();
    const chunk = run(uplink(1), uplink(2));
    assert.deepEqual(
      chunk.ready.map(({ seq, text }) => [seq, numbersIn(text)]),
      [
        [1, [1]],
        [2, [2]],
      ],
    );
    for (const { text, lineCount } of chunk.ready) assert.equal(text.split("\n").length, lineCount);
    assert.match(chunk.ready[0]?.text ?? "", /^telemetry_em300_th,.*temperature=20\.1/m);
    assert.deepEqual(
      [chunk.done, chunk.quarantined, chunk.waitForClock, counters.duplicates],
      [[], [], [], 0],
    );
  });

  test("what cannot be decoded is to be quarantined, with its bytes", () => {
    const { run } = setUp();
    const chunk = run(uplink(1), junk(2), { topic: "x", payload: new Uint8Array(0) }, uplink(4));
    assert.deepEqual(
      chunk.quarantined.map(({ message, fault }) => [message.seq, fault.code, fault.disposition]),
      [
        [2, "decode_not_json", "quarantine"],
        [3, "decode_empty", "quarantine"],
      ],
    );
    assert.deepEqual([...(chunk.quarantined[0]?.message.payload ?? [])], [...junk(2).payload]);
    assert.deepEqual(
      chunk.ready.map(({ seq }) => seq),
      [1, 4],
      "and the others go on",
    );
  });

  test("an event without a table is done, and counted by name", () => {
    const { run, counters } = setUp();
    const chunk = run(joinEvent(1), joinEvent(2), uplink(3));
    assert.deepEqual(chunk.done, [1, 2]);
    assert.deepEqual([...counters.unmapped], [["join", 2]]);
  });

  test("a copy waits for the first one; a copy of a delivered one is done and counted", () => {
    const { run, deps, counters } = setUp();
    const first = run(uplink(1), uplink(1));
    assert.deepEqual([first.ready.map(({ seq }) => seq), first.done], [[1], []]);
    assert.equal(
      counters.duplicates,
      0,
      "a follower is counted when it is done, however often it is examined",
    );
    deps.deduplicator.delivered(1);
    assert.deepEqual(run(uplink(1)).done, [3]);
    assert.equal(counters.duplicates, 1);
  });

  test("without an id only the broker's word makes a copy", () => {
    const noId = uplink(1, { deduplicationId: "" });
    const { run } = setUp();
    assert.deepEqual(
      run(noId, noId).ready.map(({ seq }) => seq),
      [1, 2],
    );
    assert.deepEqual(run({ ...noId, duplicate: true }).ready, []);
  });

  test("parts that did not fit are told to whoever delivers, and not counted before", () => {
    const { run, counters } = setUp();
    const [ready] = run(uplink(1, { fCnt: "many", dr: -3 })).ready;
    assert.equal(ready?.droppedCount, 2);
    assert.equal(counters.droppedParts, 0);
  });

  test("while the clock is not trusted, uplinks without GPS time wait, and nothing is counted or marked as seen", () => {
    const { run, deps, counters } = setUp({ clock: notReleased });
    const chunk = run({ ...uplink(1), ...untrusted }, { ...uplink(2) }, { ...junk(3), ...untrusted });
    assert.deepEqual(chunk.waitForClock, [1]);
    assert.deepEqual(
      chunk.ready.map(({ seq }) => seq),
      [2],
      "one received under a trusted clock does not wait",
    );
    assert.deepEqual(
      chunk.quarantined.map(({ message }) => message.seq),
      [3],
    );
    const [, later] = [counters, prepare(new MemoryLog().read(1, 1, 1), deps)];
    assert.deepEqual(later.ready, []);
    assert.equal(deps.deduplicator.examine({ seq: 9, ...uplink(1) }, true), "new");
  });

  test("GPS time needs no clock of ours", () => {
    const rxInfo = [
      { gatewayId: "e4e124dadef64eee", timeSinceGpsEpoch: "1433853910.653s", rssi: -68, crcStatus: "CRC_OK" },
    ];
    const { run } = setUp({ clock: notReleased });
    assert.deepEqual(
      run({ ...uplink(1, { rxInfo }), ...untrusted }).ready.map(({ seq }) => seq),
      [1],
    );
  });

  test("a receive time under a wrong clock is mended by the boot's offset", () => {
    const noTime = { time: "2012-01-01T00:00:00Z", rxInfo: [] };
    const wrong = { ...uplink(1, noTime), ...untrusted, receivedMs: 5, uptimeMs: 1234.6, bootKey: 3 };
    const offsetMs = (key: number): number | undefined => (key === 3 ? Date.UTC(2026, 5, 1) : undefined);
    const mended = setUp({ offsetMs }).run(wrong);
    assert.deepEqual(timeOf(mended.ready[0]?.text ?? ""), {
      timeMs: Date.UTC(2026, 5, 1) + 1235,
      source: "received",
    });
    const notMended = setUp({ offsetMs }).run({ ...wrong, bootKey: 4 });
    assert.deepEqual(timeOf(notMended.ready[0]?.text ?? ""), { timeMs: 5, source: "received" });
    const trusted = setUp({ offsetMs }).run({
      ...wrong,
      clockTrusted: true,
      receivedMs: Date.UTC(2026, 2, 1),
    });
    assert.deepEqual(timeOf(trusted.ready[0]?.text ?? ""), {
      timeMs: Date.UTC(2026, 2, 1),
      source: "received",
    });
  });

  test("the event's time is believed unless the mended clock says that it is far ahead", () => {
    const offsetMs = (): number => Date.UTC(2026, 0, 1);
    const ahead = uplink(1, { time: "2030-01-01T00:00:00Z", rxInfo: [] });
    const { run } = setUp({ offsetMs });
    const [known] = run({ ...ahead, ...untrusted, uptimeMs: 10 }).ready;
    assert.equal(timeOf(known?.text ?? "").source, "received");
    const [unknown] = setUp().run({ ...ahead, ...untrusted }).ready;
    assert.deepEqual(timeOf(unknown?.text ?? ""), { timeMs: Date.UTC(2030, 0, 1), source: "event" });
  });

  test("an uplink with GPS time has the same time before and after the clock is right", () => {
    const rxInfo = [{ gatewayId: "e4e124dadef64eee", timeSinceGpsEpoch: "1433853910.653s", rssi: -68 }];
    const ahead = { ...uplink(1, { time: "2030-01-01T00:00:00Z", rxInfo }), ...untrusted, uptimeMs: 10 };
    const before = setUp({ clock: notReleased }).run(ahead).ready[0];
    const after = setUp({ offsetMs: () => Date.UTC(2026, 0, 1) }).run(ahead).ready[0];
    assert.deepEqual(timeOf(before?.text ?? ""), { timeMs: Date.UTC(2030, 0, 1), source: "event" });
    assert.deepEqual(timeOf(after?.text ?? ""), timeOf(before?.text ?? ""));
  });

  test("each message is marked while it is decoded, and none afterwards", () => {
    const seen: [string, bigint][] = [];
    const { run } = setUp({
      decode: (topic, payload) => {
        seen.push([topic, marked()]);
        return decode(topic, payload);
      },
    });
    run({ topic: "a", payload: junk(1).payload }, { topic: "b", payload: junk(2).payload });
    assert.deepEqual(seen, [
      ["a", 1n],
      ["b", 2n],
    ]);
    assert.equal(marked(), 0n);
  });

  test("a decoder that throws leaves the mark for the next process", () => {
    const { run } = setUp({
      decode: () => {
        throw new Error("a bug");
      },
    });
    assert.throws(() => run(uplink(1)), /a bug/);
    assert.equal(marked(), 1n);
    marker.clear();
  });

  test("the same message gives the same lines at each try", () => {
    const message: JournalMessage = new MemoryLog().append(uplink(7));
    const texts = [1, 2].map(() => prepare([message], setUp().deps).ready[0]?.text);
    assert.ok(texts[0] !== undefined);
    assert.equal(texts[0], texts[1]);
  });
});
