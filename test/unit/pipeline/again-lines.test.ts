/** A message that is sent again makes the lines that it has made, and is no copy of its former self. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import { type JournalMessage, placeOf } from "../../../src/journal/message.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { LeftOutReport } from "../../../src/pipeline/left-out.ts";
import { prepare, type PrepareDeps, type PreparedChunk } from "../../../src/pipeline/prepare.ts";
import { MemorySchema } from "../../support/fakes/schema.ts";
import { textOf } from "../../support/ready.ts";
import { uplink } from "../../support/uplinks.ts";
import { temporaryFolder } from "../../support/wait.ts";

const folder = await temporaryFolder("again");
const marker = new DecodeMarker(join(folder.path), "j");
marker.arm();
after(async () => {
  marker.close();
  await folder.remove();
});

const receivedMs = Date.UTC(2026, 2, 1);

/** Its time is that of its receipt: nothing else tells its rows from those of others. */
const first: JournalMessage = {
  ...uplink(1, { time: undefined, rxInfo: [] }),
  seq: 7,
  source: "mqtt",
  receivedMs,
  uptimeMs: 5000,
  bootKey: 1,
  clockTrusted: true,
  duplicate: false,
  retained: false,
  qos: 1,
};

const putBack: JournalMessage = { ...first, seq: 90_210, again: true, firstPlace: placeOf(first) };

function bench(isAgain: (seq: number) => boolean = () => false) {
  const deduplicator = new Deduplicator(100);
  const counters = newCounters();
  const schema = new MemorySchema();
  const deps: PrepareDeps = {
    decoded: new DecodedEvents(decode, marker),
    deduplicator,
    clock: { mayRelease: true },
    offsetMs: () => undefined,
    settings: { tags: [], deviceTags: [], profiles: [] },
    schema,
    mayClaim: () => true,
    finishedRows: () => undefined,
    isAgain,
    destination: { name: "main", isMine: undefined, isDefault: true },
    leftOut: new LeftOutReport(() => {}),
    counters,
  };
  return { deduplicator, counters, run: (...messages: JournalMessage[]) => prepare(messages, deps) };
}

function texts({ ready }: PreparedChunk): string[] {
  return ready.map(textOf);
}

test("what was put back makes the same lines, with the same times", () => {
  const { deduplicator, run } = bench();
  const before = texts(run(first));
  deduplicator.delivered(first.seq);
  assert.deepEqual(texts(run(putBack)), before);
  assert.equal(before.length, 1);
  const { firstPlace: _firstPlace, ...other } = putBack;
  assert.notDeepEqual(texts(bench().run(other)), before, "its place is what tells it from others");
});

test("it is no duplicate of its former self, be that delivered or on its way; a copy of it is one", () => {
  const identified = { ...uplink(2), seq: 8 };
  const former: JournalMessage = { ...first, ...identified };
  const again: JournalMessage = { ...former, seq: 90_211, again: true, firstPlace: placeOf(former) };
  const { deduplicator, counters, run } = bench();
  assert.equal(run(former).ready.length, 1);
  assert.equal(run(again).ready.length, 1);
  deduplicator.delivered(former.seq);
  deduplicator.delivered(again.seq);
  assert.equal(run({ ...again, seq: 90_212 }).ready.length, 1);
  deduplicator.delivered(90_212);
  assert.deepEqual(run({ ...former, seq: 90_213 }).done, [90_213]);
  assert.equal(counters.duplicates, 1);
});

test("what is owed again is no duplicate either, and makes the same lines", () => {
  const owed = new Set<number>();
  const { deduplicator, counters, run } = bench((seq) => owed.has(seq));
  const message: JournalMessage = { ...first, ...uplink(3), seq: 9 };
  const before = texts(run(message));
  deduplicator.delivered(message.seq);
  owed.add(message.seq);
  assert.deepEqual(texts(run(message)), before);
  assert.equal(counters.duplicates, 0);
  deduplicator.delivered(message.seq);
  owed.delete(message.seq);
  assert.deepEqual(run({ ...message, seq: 10 }).done, [10], "a copy of it is one as before");
});
