import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { ok } from "../../../src/lib/result.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import type { Decode, QuarantinedMessage } from "../../../src/pipeline/ports.ts";
import { recoverFromDeath, rememberTail, sparing } from "../../../src/pipeline/recovery.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { uplink, type UplinkMessage } from "../../support/uplinks.ts";
import { temporaryFolder } from "../../support/wait.ts";

class Deaths {
  readonly counts = new Map<number, number>();
  readonly quarantined: QuarantinedMessage[] = [];

  readonly recordDeath = (seq: number): number => {
    const count = (this.counts.get(seq) ?? 0) + 1;
    this.counts.set(seq, count);
    return count;
  };

  readonly quarantine = (entries: readonly QuarantinedMessage[]): void => {
    this.quarantined.push(...entries);
  };

  /** What the next process is to spare. */
  get killers() {
    return this.quarantined
      .filter(({ fault }) => fault.code === "decode_killed_process")
      .map(({ message }) => message);
  }
}

/** A process that dies while it decodes `seq`, and the start of the next one. */
function dieAndStart(dir: string, log: MemoryLog, deaths: Deaths, seq: number, journalId = log.id) {
  const dying = new DecodeMarker(dir, journalId);
  dying.arm();
  dying.begin(seq);
  dying.close();
  const next = new DecodeMarker(dir, log.id);
  const fault = recoverFromDeath(next, log, deaths);
  next.close();
  return fault;
}

async function withLog(run: (dir: string, log: MemoryLog, deaths: Deaths) => void): Promise<void> {
  await using folder = await temporaryFolder("recovery");
  const log = new MemoryLog();
  for (let n = 1; n <= 5; n += 1) log.append(uplink(n));
  run(folder.path, log, new Deaths());
}

describe("recovery from a death while decoding", () => {
  test("the first death: said, and the message is tried again", () =>
    withLog((dir, log, deaths) => {
      const fault = dieAndStart(dir, log, deaths, 3);
      assert.equal(fault?.code, "decode_killed_process");
      assert.equal(fault?.disposition, "retry");
      assert.equal(log.settled.has(3), false);
      assert.deepEqual(deaths.quarantined, []);
    }));

  test("the second death: quarantined with its bytes and settled, alone", () =>
    withLog((dir, log, deaths) => {
      dieAndStart(dir, log, deaths, 3);
      const fault = dieAndStart(dir, log, deaths, 3);
      assert.equal(fault?.disposition, "quarantine");
      assert.deepEqual(
        deaths.quarantined.map(({ message, fault: why }) => [message.seq, why.code]),
        [[3, "decode_killed_process"]],
      );
      assert.deepEqual([...(deaths.quarantined[0]?.message.payload ?? [])], [...uplink(3).payload]);
      assert.deepEqual(log.settled.intervals, [{ lo: 3, hi: 3 }]);
    }));

  test("a settled message counts its deaths like any other: the projector reads it too", () =>
    withLog((dir, log, deaths) => {
      log.settle(1, 5);
      assert.equal(dieAndStart(dir, log, deaths, 3)?.disposition, "retry");
      assert.equal(deaths.quarantined.length, 0);
      assert.equal(dieAndStart(dir, log, deaths, 3)?.disposition, "quarantine");
      assert.deepEqual(
        deaths.quarantined.map(({ message }) => message.seq),
        [3],
      );
      assert.deepEqual(log.settled.intervals, [{ lo: 1, hi: 5 }]);
    }));

  test("a death that could not be written down is found again at the next start", () =>
    withLog((dir, log, deaths) => {
      const full = new Fault({
        code: "quarantine_full",
        layer: "journal",
        disposition: "retry",
        message: "full",
      });
      const onFullDisk = {
        quarantine: deaths.quarantine,
        recordDeath: () => {
          throw full;
        },
      };
      const dying = new DecodeMarker(dir, log.id);
      dying.arm();
      dying.begin(3);
      dying.close();
      const failing = new DecodeMarker(dir, log.id);
      assert.throws(() => recoverFromDeath(failing, log, onFullDisk), full);
      failing.close();
      const next = new DecodeMarker(dir, log.id);
      assert.equal(recoverFromDeath(next, log, deaths)?.disposition, "retry");
      assert.equal(deaths.counts.get(3), 1);
      next.close();
    }));

  test("deaths are counted for each message by itself", () =>
    withLog((dir, log, deaths) => {
      assert.equal(dieAndStart(dir, log, deaths, 2)?.disposition, "retry");
      assert.equal(dieAndStart(dir, log, deaths, 3)?.disposition, "retry");
      assert.equal(dieAndStart(dir, log, deaths, 2)?.disposition, "quarantine");
      assert.deepEqual(log.settled.intervals, [{ lo: 2, hi: 2 }]);
    }));

  test("the mark of another journal says nothing about this one", () =>
    withLog((dir, log, deaths) => {
      assert.equal(dieAndStart(dir, log, deaths, 3, "99999999-2222-3333-4444-555555555555"), undefined);
      assert.equal(deaths.counts.size, 0);
    }));

  test("evicted or never journalled: nothing to do, and no death is counted", () =>
    withLog((dir, log, deaths) => {
      log.evict(1, 1);
      log.lose(2, 2);
      for (const seq of [1, 2, 99]) assert.equal(dieAndStart(dir, log, deaths, seq), undefined);
      assert.equal(deaths.counts.size, 0);
    }));

  test("a clean end is no death", () =>
    withLog((dir, log, deaths) => {
      const marker = new DecodeMarker(dir, log.id);
      marker.arm();
      marker.begin(1);
      marker.clear();
      marker.close();
      const next = new DecodeMarker(dir, log.id);
      assert.equal(recoverFromDeath(next, log, deaths), undefined);
      next.close();
    }));
});

/** What a decoder throws that would kill the process: the mark stays, as after SIGKILL. */
class Died extends Error {}

/**
 * A process with a decoder that dies of `poison`. Like the projector it reads the whole log, settled or not.
 * Gives what each message was found to be, and the seqs whose bytes the decoder was given.
 */
function live(dir: string, log: MemoryLog, deaths: Deaths, poison: UplinkMessage) {
  const marker = new DecodeMarker(dir, log.id);
  const fault = recoverFromDeath(marker, log, deaths);
  marker.arm();
  const given: number[] = [];
  const found: string[] = [];
  let reading = 0;
  const deadly: Decode = (topic, payload) => {
    given.push(reading);
    if (poison.payload.equals(payload)) throw new Died();
    return decode(topic, payload);
  };
  const events = new DecodedEvents(sparing(deaths.killers, deadly), marker);
  const read = (): void => {
    events.marked(log.read(1, log.lastSeq, log.lastSeq), (message) => {
      reading = message.seq;
      const event = events.of(message);
      found.push(event.ok ? event.value.kind : event.fault.code);
    });
  };
  try {
    read();
    return { fault, given, found, hasDied: false };
  } catch (error) {
    if (!(error instanceof Died)) throw error;
    return { fault, given, found, hasDied: true };
  } finally {
    marker.close();
  }
}

describe("sparing", () => {
  test("a settled message that killed twice is not decoded at the third start, nor is a copy of it", () =>
    withLog((dir, log, deaths) => {
      log.settle(1, 5);
      for (const disposition of [undefined, "retry"] as const) {
        const { fault, given, hasDied } = live(dir, log, deaths, uplink(3));
        assert.deepEqual([fault?.disposition, given, hasDied], [disposition, [1, 2, 3], true]);
      }
      log.append({ ...uplink(3), duplicate: true });
      const killed = "decode_killed_process";
      const third = live(dir, log, deaths, uplink(3));
      assert.equal(third.fault?.disposition, "quarantine");
      assert.deepEqual(third.given, [1, 2, 4, 5]);
      assert.deepEqual(third.found, ["up", "up", killed, "up", "up", killed]);
      assert.equal(third.hasDied, false);
      const fourth = live(dir, log, deaths, uplink(3));
      assert.deepEqual([fourth.fault, fourth.given], [undefined, third.given]);
      assert.equal(deaths.counts.get(3), 2);
    }));

  test("what only resembles a killer is decoded", () => {
    const { topic, payload } = uplink(1);
    const calls: string[] = [];
    const spared = sparing([{ topic, payload }], (name) => {
      calls.push(name);
      return ok({ kind: "unmapped", name });
    });
    const refused = spared(topic, Uint8Array.from(payload));
    assert.ok(!refused.ok);
    assert.deepEqual(
      [refused.fault.code, refused.fault.disposition],
      ["decode_killed_process", "quarantine"],
    );
    assert.ok(spared(topic, payload.subarray(1)).ok);
    assert.ok(spared(`${topic}2`, payload).ok);
    assert.deepEqual(calls, [topic, `${topic}2`]);
  });
});

describe("rememberTail", () => {
  test("remembers the settled ones among the newest, over many reads and holes", () => {
    const log = new MemoryLog();
    for (let n = 1; n <= 1300; n += 1) log.append(uplink(n));
    log.settle(1, 1290);
    log.lose(600, 900);
    const memory = new Deduplicator(5000);
    rememberTail(memory, log, 1000);
    const verdict = (n: number): string =>
      memory.examine({ seq: 5000 + n, source: "mqtt", ...uplink(n) }, true);
    assert.equal(verdict(300), "new", "older than the tail");
    for (const n of [301, 599, 901, 1290]) assert.equal(verdict(n), "duplicate", `${n}`);
    for (const n of [600, 900]) assert.equal(verdict(n), "new", `${n} is not in the log any more`);
    for (const n of [1291, 1300]) assert.equal(verdict(n), "new", `${n} is not settled: it will be sent`);
  });

  test("an empty log is no work", () => {
    const log = new MemoryLog();
    rememberTail(new Deduplicator(10), log, 1000);
    assert.equal(log.readCount, 0);
  });
});
