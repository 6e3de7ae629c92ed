/** A forwarder with everything around it in memory, and time in the test's hand. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { newCounters, total } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { Forward } from "../../../src/pipeline/forward.ts";
import { LatencyWindow } from "../../../src/pipeline/latency.ts";
import type { DeadLine, QuarantinedMessage } from "../../../src/pipeline/ports.ts";
import type { SchemaKeeper } from "../../../src/pipeline/schema-keeper.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { known } from "../../support/fakes/schema.ts";
import { ScriptedWriter } from "../../support/fakes/scripted-writer.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";
import { numbersIn, uplink } from "../../support/uplinks.ts";

export interface BenchOptions {
  readonly maxInFlight?: number;
  readonly maxLines?: number;
  readonly maxBytes?: number;
  readonly maxAgeMs?: number;
}

/** Understood, and no table has a row for it. */
export function command(n: number): { readonly topic: string; readonly payload: Buffer } {
  return { topic: "application/a/device/0000000000000001/command/down", payload: Buffer.from(`{"n":${n}}`) };
}

export class Bench {
  readonly time: VirtualTime;
  readonly log = new MemoryLog();
  readonly writer = new ScriptedWriter();
  readonly logger = new RecordingLog();
  readonly counters = newCounters();
  readonly latency = new LatencyWindow();
  readonly activity = new Wakeup();
  readonly quarantined: QuarantinedMessage[] = [];
  readonly dead: DeadLine[] = [];
  /** How often lines were to be buried. */
  buryings = 0;
  /** Neither undecodable messages nor dead letters can be kept. */
  quarantineIsFull = false;
  readonly clockTrust = { mayRelease: true };
  /** Nothing is asked unless a test puts another in its place. */
  schema: SchemaKeeper = known();
  readonly #deduplicator = new Deduplicator(10_000);
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  readonly #marker: DecodeMarker;
  readonly #decoded: DecodedEvents;
  #forward: Forward | undefined;
  #running: Promise<void> | undefined;
  #next = 1;

  constructor(t: TestContext) {
    this.time = VirtualTime.install(t);
    const dir = mkdtempSync(join(tmpdir(), "flightline-forward-"));
    this.#marker = new DecodeMarker(dir, this.log.id);
    this.#marker.arm();
    this.#decoded = new DecodedEvents(decode, this.#marker);
    t.after(async () => {
      await this.end();
      this.#marker.close();
      rmSync(dir, { recursive: true });
    });
  }

  /** Before the test does, when it has several of them. */
  async end(): Promise<void> {
    this.#abort.abort(new Error("the test is over"));
    await this.#running?.catch(() => {});
  }

  /** Commits the next `count` uplinks. */
  commit(count: number): void {
    for (let i = 0; i < count; i += 1) {
      this.log.append({ ...uplink(this.#next), uptimeMs: this.time.uptimeMs() });
      this.#next += 1;
    }
    this.activity.notify();
  }

  append(message: Parameters<MemoryLog["append"]>[0]): void {
    this.log.append(message);
    this.activity.notify();
  }

  #quarantine(entries: readonly QuarantinedMessage[]): void {
    if (this.quarantineIsFull) {
      throw new Fault({ code: "quarantine_full", layer: "journal", disposition: "retry", message: "full" });
    }
    this.quarantined.push(...entries);
  }

  /** As state.db does: the same line of the same message again changes nothing. */
  #bury(entries: readonly DeadLine[]): void {
    this.buryings += 1;
    if (this.quarantineIsFull) {
      throw new Fault({ code: "quarantine_full", layer: "journal", disposition: "retry", message: "full" });
    }
    for (const entry of entries) {
      const isThere = ({ message, line }: DeadLine): boolean =>
        message.seq === entry.message.seq && line === entry.line;
      if (!this.dead.some(isThere)) this.dead.push(entry);
    }
  }

  start({ maxInFlight = 4, maxLines = 300, maxBytes = 1_000_000, maxAgeMs = 1000 }: BenchOptions = {}): this {
    const { log, writer, schema, clockTrust, counters, latency, activity, logger } = this;
    this.#forward = new Forward({
      destination: { name: "main", isMine: undefined, isDefault: true },
      log,
      writer,
      schema,
      quarantine: {
        quarantine: (entries) => {
          this.#quarantine(entries);
        },
      },
      deadLetters: {
        bury: (entries) => {
          this.#bury(entries);
        },
      },
      decoded: this.#decoded,
      deduplicator: this.#deduplicator,
      clockTrust,
      offsetMs: () => undefined,
      settings: { tags: [], deviceTags: [], profiles: [] },
      limits: { maxLines, maxBytes, maxAgeMs },
      maxInFlight,
      counters,
      latency,
      clock: this.time,
      random: () => 0.5,
      logger,
      activity,
    });
    this.#running = this.#forward.run(this.#drain.signal, this.#abort.signal);
    this.#running.catch(() => {});
    return this;
  }

  /** What was settled is owed again. */
  tryAgain(lo: number, hi: number): void {
    this.log.settled.remove(lo, hi);
    this.#forward?.tryAgain([{ lo, hi }]);
  }

  get isOpen(): boolean {
    return this.#forward !== undefined && this.#forward.influxdb !== "away";
  }

  /** Resolves or rejects as `run` does. */
  get ended(): Promise<void> {
    assert.ok(this.#running !== undefined);
    return this.#running;
  }

  drain(): void {
    this.#drain.abort(new Error("drain"));
  }

  abort(): void {
    this.#abort.abort(new Error("abort"));
  }

  async settled(withinMs = 600_000): Promise<void> {
    await this.time.until(() => this.log.backlog === 0, withinMs, "everything is settled");
  }

  /** Numbers of the uplinks that the server took, with how often. */
  taken(): Map<number, number> {
    const counts = new Map<number, number>();
    for (const [line, count] of this.writer.taken)
      for (const n of numbersIn(line)) counts.set(n, (counts.get(n) ?? 0) + count);
    return counts;
  }

  assertTakenOnce(count: number): void {
    const taken = this.taken();
    assert.equal(taken.size, count);
    for (const [n, times] of taken) assert.equal(times, 1, `uplink ${n} was taken ${times} times`);
  }

  /** Every message is somewhere, and in one place only. */
  assertAddsUp(): void {
    const { written, ownWritten, duplicates, quarantined, unmapped, projected, retained, deadMessages } =
      this.counters;
    const sent = written + ownWritten + duplicates + total(deadMessages);
    const done = sent + total(quarantined) + total(unmapped) + projected + retained;
    assert.equal(done, this.log.settled.countWithin(1, this.log.lastSeq));
  }

  /** Numbers in the order in which they were offered. */
  offered(): number[] {
    return this.writer.writes.flatMap(({ lines }) => numbersIn(lines));
  }
}
