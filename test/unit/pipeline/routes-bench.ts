/**
 * Several forwarders over one log, as `[[route]]` has it: everything in memory, time in the test's hand, and a
 * judge at the log who sees who settles what, and when.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { JournalMessage } from "../../../src/journal/message.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { newCounters, total } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { Forward } from "../../../src/pipeline/forward.ts";
import { LatencyWindow } from "../../../src/pipeline/latency.ts";
import { ownSource, ownTopic, packOwn } from "../../../src/pipeline/own-message.ts";
import type { DeadLine, Decode, LineWriter, MessageLog } from "../../../src/pipeline/ports.ts";
import { rememberTail } from "../../../src/pipeline/recovery.ts";
import { belongsTo, type RouteMatch, sourcesApart } from "../../../src/pipeline/route.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { known } from "../../support/fakes/schema.ts";
import { ScriptedWriter } from "../../support/fakes/scripted-writer.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";
import { junk, numbersIn, uplink, type UplinkMessage } from "../../support/uplinks.ts";
import { command } from "./forward-bench.ts";

export const databases = ["main", "farm", "mine"] as const;
export type Database = (typeof databases)[number];

/** Tenant "farm" has a database; so has what comes from the source "mqtt2". */
const routes: readonly RouteMatch[] = [
  { tenant: "farm", application: undefined, source: undefined },
  { tenant: undefined, application: undefined, source: "mqtt2" },
];
const routesOf: Readonly<Record<Database, readonly number[]>> = { main: [], farm: [0], mine: [1] };

export type Kind = Database | "junk" | "command" | "own";

/** The nth uplink, for that database. */
function uplinkFor(n: number, database: Database): UplinkMessage & { readonly source: string } {
  const tenantName = database === "farm" ? "farm" : "town";
  const deviceInfo = { tenantName, deviceProfileName: "EM300-TH", devEui: "00000000a0000001" };
  return { ...uplink(n, { deviceInfo }), source: database === "mine" ? "mqtt2" : "mqtt" };
}

export class RoutesBench {
  readonly time: VirtualTime;
  readonly log = new MemoryLog();
  readonly logger = new RecordingLog();
  readonly writers = { main: new ScriptedWriter(), farm: new ScriptedWriter(), mine: new ScriptedWriter() };
  readonly quarantined = new Set<number>();
  /** Numbers of the uplinks whose own row is dead-lettered. */
  readonly dead = new Set<number>();
  readonly #taken = { main: new Set<number>(), farm: new Set<number>(), mine: new Set<number>() };
  /** How often the decoder was asked. */
  decodedCount = 0;
  counters = newCounters();
  forwards: Readonly<Partial<Record<Database, Forward>>> = {};
  /** By seq: whose it is, and the number of the uplink that it holds. */
  readonly #owner = new Map<number, { readonly database: Database; readonly n: number | undefined }>();
  /** By seq, since the start: who settled it. */
  #settledBy = new Map<number, Database>();
  readonly #activity = new Wakeup();
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  readonly #marker: DecodeMarker;
  readonly #dir = mkdtempSync(join(tmpdir(), "flightline-routes-"));
  #next = 1;

  constructor(time: VirtualTime) {
    this.time = time;
    this.#marker = new DecodeMarker(this.#dir, this.log.id);
    this.#marker.arm();
  }

  static install(t: TestContext): RoutesBench {
    const bench = new RoutesBench(VirtualTime.install(t));
    t.after(() => bench.close());
    return bench;
  }

  async close(): Promise<void> {
    await this.stop();
    this.#marker.close();
    rmSync(this.#dir, { recursive: true });
  }

  commit(kind: Kind, count = 1): void {
    for (let i = 0; i < count; i += 1) this.#append(kind);
    this.#activity.notify();
  }

  /** The same bytes on the same topic again, from the same source or another one. */
  repeat(seq: number, source: "mqtt" | "mqtt2"): void {
    const [message] = this.log.read(seq, seq, 1);
    const owner = this.#owner.get(seq);
    if (message === undefined || owner?.n === undefined || message.source === ownSource) return;
    const { topic, payload } = message;
    const stored = this.log.append({ source, topic, payload, uptimeMs: this.time.uptimeMs() });
    const isRouted = owner.database === "farm";
    const database = isRouted ? "farm" : source === "mqtt2" ? "mine" : "main";
    this.#owner.set(stored.seq, { database, n: owner.n });
    this.#activity.notify();
  }

  #append(kind: Kind): void {
    const n = this.#next;
    this.#next += 1;
    const uptimeMs = this.time.uptimeMs();
    if (kind === "junk" || kind === "command") {
      const stored = this.log.append({ ...(kind === "junk" ? junk(n) : command(n)), uptimeMs });
      this.#owner.set(stored.seq, { database: "main", n: undefined });
    } else if (kind === "own") {
      const facts = { source: "", tenantId: "", tenantName: "farm", applicationId: "", applicationName: "" };
      const fields = [{ name: "deduplication_id", type: "string", value: uplinkIdOf(n) } as const];
      const tags = [{ name: "node", value: "here" }];
      const payload = packOwn({ points: [{ table: "uplink", tags, fields, timeNs: BigInt(n) }], facts });
      const stored = this.log.append({ source: ownSource, topic: ownTopic, payload, uptimeMs });
      this.#owner.set(stored.seq, { database: "farm", n });
    } else {
      const stored = this.log.append({ ...uplinkFor(n, kind), uptimeMs });
      this.#owner.set(stored.seq, { database: kind, n });
    }
  }

  /** A new process on the same log. */
  start(used: readonly Database[] = databases): this {
    const { log, counters } = this;
    this.#settledBy = new Map();
    this.#stop = new AbortController();
    const counting: Decode = (topic, payload) => {
      this.decodedCount += 1;
      return decode(topic, payload);
    };
    const shared = {
      quarantine: {
        quarantine: (entries: readonly { readonly message: JournalMessage }[]) => {
          for (const { message } of entries) this.quarantined.add(message.seq);
        },
      },
      deadLetters: {
        bury: (entries: readonly DeadLine[]) => {
          for (const { line } of entries) for (const n of numbersIn(line)) this.dead.add(n);
        },
      },
      decoded: new DecodedEvents(counting, this.#marker),
      deduplicator: new Deduplicator(10_000, sourcesApart(routes)),
      clockTrust: { mayRelease: true },
      offsetMs: () => undefined,
      settings: { tags: [], deviceTags: [], profiles: [] },
      limits: { maxLines: 90, maxBytes: 1_000_000, maxAgeMs: 200 },
      maxInFlight: 2,
      counters,
      latency: new LatencyWindow(),
      clock: this.time,
      random: () => 0.5,
      logger: this.logger,
      activity: this.#activity,
    };
    rememberTail(shared.deduplicator, log, 10_000);
    const forwards: Partial<Record<Database, Forward>> = {};
    for (const name of used) {
      const isDefault = name === "main";
      const destination = { name, isDefault, isMine: belongsTo(routes, routesOf[name], isDefault) };
      forwards[name] = new Forward({
        ...shared,
        destination,
        writer: this.#writerFor(name),
        schema: known(),
        log: this.#logFor(name),
      });
    }
    this.forwards = forwards;
    const never = new AbortController().signal;
    const running = Object.values(forwards).map((forward) => forward.run(never, this.#stop.signal));
    this.#running = Promise.all(running);
    this.#running.catch(() => {});
    return this;
  }

  /** Rejects for whatever a forwarder, or the judge in its log, found wrong. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("stop"));
    await this.#running;
  }

  #logFor(name: Database): MessageLog {
    const { log } = this;
    return {
      get lastSeq() {
        return log.lastSeq;
      },
      get settled() {
        return log.settled;
      },
      get backlog() {
        return log.backlog;
      },
      read: (lo, hi, maxCount) => log.read(lo, hi, maxCount),
      settle: (lo, hi) => {
        for (let seq = lo; seq <= hi; seq += 1) this.#judge(name, seq);
        log.settle(lo, hi);
      },
    };
  }

  #judge(name: Database, seq: number): void {
    const owner = this.#owner.get(seq);
    assert.equal(name, owner?.database, `${seq} is settled by ${name}`);
    assert.ok(!this.#settledBy.has(seq), `${seq} is settled twice`);
    this.#settledBy.set(seq, name);
    if (owner?.n === undefined) return;
    const isThere = this.taken(name).has(owner.n) || this.dead.has(owner.n);
    assert.ok(isThere, `${seq} is settled, and ${name} does not have it`);
  }

  /** Numbers of what the database has. */
  taken(name: Database): ReadonlySet<number> {
    return this.#taken[name];
  }

  #writerFor(name: Database): LineWriter {
    return {
      write: async (lines, signal) => {
        const outcome = await this.writers[name].write(lines, signal);
        if (outcome.kind === "delivered") for (const n of numbersIn(lines)) this.#taken[name].add(n);
        return outcome;
      },
    };
  }

  /** Numbers of what belongs there. */
  expected(name: Database): Set<number> {
    return new Set(
      [...this.#owner.values()].flatMap(({ database, n }) => (database === name ? (n ?? []) : [])),
    );
  }

  assertComplete(used: readonly Database[] = databases): void {
    for (const name of used) {
      const numbers = (of: ReadonlySet<number>): number[] => [...of].sort((a, b) => a - b);
      const expected = this.expected(name);
      const dead = [...expected].filter((n) => this.dead.has(n));
      assert.deepEqual(numbers(new Set([...this.taken(name), ...dead])), numbers(expected), name);
    }
  }

  /** Only in a single life, and without copies that an earlier one has settled. */
  assertAddsUp(): void {
    const { written, ownWritten, duplicates, quarantined, unmapped, projected, retained, deadMessages } =
      this.counters;
    const sent = written + ownWritten + duplicates + total(deadMessages);
    const done = sent + total(quarantined) + total(unmapped) + projected + retained;
    assert.equal(done, this.log.settled.countWithin(1, this.log.lastSeq));
  }

  backlogOf(name: Database): number {
    let count = 0;
    for (const [seq, { database }] of this.#owner) {
      if (database === name && !this.log.settled.has(seq)) count += 1;
    }
    return count;
  }
}

function uplinkIdOf(n: number): string {
  return `3ac7e3c4-4401-4b8d-9386-${n.toString(16).padStart(12, "0")}`;
}
