import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { Projector, type ProjectorDeps } from "../../../src/pipeline/project.ts";
import { messagesOf, OwnRows } from "../../../src/pipeline/project-rows.ts";
import type { RegistryChanges, StoredRegistry } from "../../../src/state/registry-store.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";
import { ownMessage, received, settings, startMs, stats, uplink } from "./project-events.ts";
import { plainEvents } from "./project-fixture.ts";

const empty: StoredRegistry = { devices: [], gateways: [], sums: [], position: undefined };
const full = new Fault({ code: "registry_unsaved", layer: "journal", disposition: "retry", message: "full" });

/** A projector among fakes: a log in memory, a committer that commits when told to, a store that remembers. */
class Bench {
  readonly time: VirtualTime;
  readonly log = new MemoryLog();
  readonly activity = new Wakeup();
  readonly logger = new RecordingLog();
  readonly committer = {
    isUnderPressure: false,
    relieved: new Wakeup(),
    waiting: [] as (() => void)[],
    mostWaiting: 0,
    submitted: 0,
    submit(_message: IncomingMessage, committed: () => void): void {
      this.waiting.push(committed);
      this.submitted += 1;
      this.mostWaiting = Math.max(this.mostWaiting, this.waiting.length);
    },
    commit(): void {
      for (const committed of this.waiting.splice(0)) committed();
    },
  };
  readonly saves: RegistryChanges[] = [];
  saveFault: Fault | undefined;
  saveAttempts = 0;
  readonly projector: Projector;
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  readonly done: Promise<void>;

  constructor(
    t: TestContext,
    deps: Partial<ProjectorDeps> = {},
    prepare: (log: MemoryLog) => void = () => {},
  ) {
    this.time = VirtualTime.install(t, startMs);
    prepare(this.log);
    this.projector = new Projector({
      log: this.log,
      journalId: this.log.id,
      store: {
        load: () => empty,
        save: (changes) => {
          this.saveAttempts += 1;
          if (this.saveFault !== undefined) throw this.saveFault;
          this.saves.push(changes);
        },
      },
      events: plainEvents,
      rows: new OwnRows({ committer: this.committer, clock: this.time, clockWatch: { isTrusted: true } }),
      clockTrust: { mayRelease: true },
      offsetMs: () => undefined,
      settings,
      clock: this.time,
      logger: this.logger,
      activity: this.activity,
      ...deps,
    });
    this.done = this.projector.run(this.#drain.signal, this.#abort.signal);
    this.done.catch(() => {});
    t.after(() => {
      this.#abort.abort();
    });
  }

  receive(...messages: readonly IncomingMessage[]): void {
    for (const message of messages) this.log.append(message);
    this.activity.notify();
  }

  drain(): void {
    this.#drain.abort();
  }

  get lastSave(): RegistryChanges | undefined {
    return this.saves.at(-1);
  }
}

/** Of as many devices, which makes as many rows, each with a tenant of its own. */
function newDevices(count: number, from = 0): IncomingMessage[] {
  return Array.from({ length: count }, (_, n) => {
    const up = uplink(from + n, startMs, 1, { receptions: [] });
    return received({ ...up, device: { ...up.device, tenantId: `t-${from + n}` } }, startMs);
  });
}

/** Of devices that all rows go the same way for. */
function manyDevices(count: number, from = 0): IncomingMessage[] {
  return Array.from({ length: count }, (_, n) =>
    received(uplink(from + n, startMs, 1, { receptions: [] }), startMs),
  );
}

describe("saving", () => {
  test("what has changed is saved five minutes later, once, and only what has changed", async (t) => {
    const bench = new Bench(t);
    bench.receive(...manyDevices(3));
    await bench.time.advance(299_000);
    bench.committer.commit();
    assert.equal(bench.saves.length, 0);
    await bench.time.advance(1500);
    assert.equal(bench.saves.length, 1);
    assert.equal(bench.lastSave?.devices.length, 3);
    assert.equal(bench.lastSave?.position.seq, 3);
    await bench.time.advance(900_000);
    assert.equal(bench.saves.length, 1, "nothing new");
    bench.receive(received(uplink(1, startMs + 60_000, 2, { receptions: [] }), startMs + 60_000));
    await bench.time.advance(301_000);
    assert.equal(bench.saves.length, 2);
    assert.equal(bench.lastSave?.devices.length, 1);
  });

  test("the log is told from where on it is needed: at the start, and after each save that succeeds", async (t) => {
    const position = { seq: 2, logTimeMs: startMs, uptimeMs: 0, bootKey: 1, sumsFromMs: 0 };
    const log = new MemoryLog();
    for (const message of manyDevices(2)) log.append(message);
    const load = () => ({ ...empty, position: { ...position, journalId: log.id } });
    const bench: Bench = new Bench(t, {
      log,
      store: {
        load,
        save: () => {
          if (bench.saveFault !== undefined) throw bench.saveFault;
        },
      },
    });
    await bench.time.settle();
    assert.deepEqual(log.keptFrom, [3]);
    for (const message of manyDevices(5, 10)) log.append(message);
    bench.activity.notify();
    bench.saveFault = full;
    await bench.time.settle();
    bench.committer.commit();
    await bench.time.advance(310_000);
    assert.deepEqual(log.keptFrom, [3], "what a failed save would cover is still needed");
    bench.saveFault = undefined;
    await bench.time.advance(60_000);
    assert.deepEqual(log.keptFrom, [3, 8]);
  });

  test("no save before every row that was made is durable", async (t) => {
    const bench = new Bench(t);
    bench.receive(...manyDevices(3));
    await bench.time.advance(900_000);
    assert.equal(bench.committer.waiting.length, 1);
    assert.equal(bench.saveAttempts, 0);
    bench.committer.commit();
    await bench.time.settle();
    assert.equal(bench.saves.length, 1);
  });

  test("a stop saves at once, without waiting for long for rows that do not become durable", async (t) => {
    const quick = new Bench(t);
    quick.receive(...manyDevices(3));
    await quick.time.settle();
    quick.committer.commit();
    quick.drain();
    await quick.done;
    assert.equal(quick.saves.length, 1);
    t.mock.restoreAll();

    const stuck = new Bench(t);
    stuck.receive(...manyDevices(3));
    await stuck.time.settle();
    stuck.drain();
    await stuck.time.advance(2500);
    await stuck.done;
    assert.equal(stuck.saveAttempts, 0);
    assert.equal(stuck.time.timersSet, 0, "no timer is left");
  });

  test("when two thousand rows are unsaved they are saved at once", async (t) => {
    const bench = new Bench(t);
    bench.receive(...manyDevices(2100));
    await bench.time.until(
      () => {
        bench.committer.commit();
        return bench.saves.length > 0;
      },
      1000,
      "a save",
    );
    assert.ok((bench.lastSave?.devices.length ?? 0) >= 2000);
  });

  test("where state.db has no room: said once a minute, tried again, and memory does not grow for ever", async (t) => {
    const bench = new Bench(t);
    bench.saveFault = full;
    bench.receive(...manyDevices(5000));
    const committing = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 5000) {
        bench.committer.commit();
        await bench.time.advance(5000);
      }
    };
    await committing(115_000);
    assert.ok(bench.projector.deviceCount >= 2000 && bench.projector.deviceCount < 2100);
    assert.ok(bench.saveAttempts >= 3 && bench.saveAttempts <= 5, `${bench.saveAttempts} attempts`);
    assert.equal(bench.logger.codes.filter((code) => code === "registry_unsaved").length, 2);
    bench.saveFault = undefined;
    await committing(400_000);
    assert.equal(bench.projector.deviceCount, 5000);
    assert.equal(bench.projector.lag, 0);
    const saved = new Set(bench.saves.flatMap(({ devices }) => devices.map(({ devEui }) => devEui)));
    assert.equal(saved.size, 5000);
  });

  test("what is no passing fault ends the run", async (t) => {
    const bench = new Bench(t);
    const code = "journal_write_failed";
    bench.saveFault = new Fault({ code, layer: "journal", disposition: "restart", message: "broken" });
    bench.receive(...manyDevices(1));
    await bench.time.settle();
    bench.committer.commit();
    bench.drain();
    await assert.rejects(bench.done, { disposition: "restart" });
  });

  test("messages that change nothing are not read again for ever: the position is saved now and then", async (t) => {
    const bench = new Bench(t, {}, (log) => {
      for (let n = 0; n < 20_100; n += 1) log.append(received("junk", startMs));
    });
    for (let n = 0; n < 200 && bench.saves.length === 0; n += 1) await bench.time.settle();
    assert.ok((bench.lastSave?.position.seq ?? 0) >= 20_000);
    assert.deepEqual(bench.lastSave?.devices, []);
    for (let n = 0; n < 10; n += 1) await bench.time.settle();
    assert.equal(bench.projector.lag, 0);
    assert.equal(bench.saves.length, 1, "and not at every turn from then on");
  });
});

describe("pressure", () => {
  test("never more than sixteen rows wait for their commit", async (t) => {
    const bench = new Bench(t);
    bench.receive(...newDevices(200));
    await bench.time.settle();
    assert.equal(bench.committer.waiting.length, 16);
    await bench.time.until(
      () => {
        bench.committer.commit();
        return bench.committer.submitted === 200;
      },
      1000,
      "all rows",
    );
    assert.equal(bench.committer.mostWaiting, 16);
  });

  test("while the committer is under pressure nothing is submitted", async (t) => {
    const bench = new Bench(t);
    bench.committer.isUnderPressure = true;
    bench.receive(...newDevices(3));
    await bench.time.advance(10_000);
    assert.equal(bench.committer.submitted, 0);
    bench.committer.isUnderPressure = false;
    bench.committer.relieved.notify();
    await bench.time.settle();
    assert.equal(bench.committer.submitted, 3);
  });

  test("a stop under pressure saves nothing: the rows that were not submitted are made again", async (t) => {
    const bench = new Bench(t);
    bench.committer.isUnderPressure = true;
    bench.receive(...newDevices(3));
    await bench.time.settle();
    bench.drain();
    await bench.done;
    assert.equal(bench.committer.submitted, 0);
    assert.equal(bench.saveAttempts, 0);
  });

  test("rows that go the same way travel together, fifty at most", () => {
    const facts = { source: "a", tenantId: "", tenantName: "", applicationId: "", applicationName: "" };
    const point = { table: "device", tags: [], fields: [], timeNs: 1n };
    const rows = Array.from({ length: 120 }, (_, n) => ({
      point: { ...point, timeNs: BigInt(n) },
      facts: n % 2 === 0 ? facts : { ...facts, source: "b" },
    }));
    const messages = messagesOf(rows);
    assert.deepEqual(
      messages.map((message) => [message.facts.source, message.points.length]),
      [
        ["a", 50],
        ["b", 50],
        ["a", 10],
        ["b", 10],
      ],
    );
  });
});

describe("limits", () => {
  const limits = { maxDevices: 10, maxGateways: 4, maxOpenSums: 6 };

  test("devices and gateways that were not seen for longest leave for others", async (t) => {
    const bench = new Bench(t, { limits });
    for (let n = 0; n < 15; n += 1) {
      const atMs = startMs + ((n + 7) % 15) * 1000;
      const gatewayId = `0016c001f150${String(n).padStart(4, "0")}`;
      const [reception] = uplink(n, atMs, 1).receptions;
      assert.ok(reception !== undefined);
      const heard = uplink(n, atMs, 1, { receptions: [{ ...reception, gatewayId }] });
      bench.receive(received(heard, atMs));
    }
    await bench.time.settle();
    assert.equal(bench.projector.deviceCount, 15, "only a save makes them leave");
    bench.committer.commit();
    await bench.time.advance(301_000);
    assert.equal(bench.projector.deviceCount, 10);
    assert.equal(bench.projector.gatewayCount, 4);
    const seconds = bench.lastSave?.devices.map(({ lastSeenMs }) => (lastSeenMs - startMs) / 1000);
    assert.deepEqual(
      seconds?.toSorted((a, b) => a - b),
      [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    );
    assert.equal(bench.lastSave?.removedDevices.length, 5);
    assert.equal(bench.lastSave?.removedGateways.length, 11);
  });

  test("statistics with odd times do not open sums without end, and none is lost or made twice", async (t) => {
    const bench = new Bench(t, { limits });
    const rows: { readonly timeNs: bigint; readonly count: unknown }[] = [];
    const submit = bench.committer.submit.bind(bench.committer);
    bench.committer.submit = (message, committed) => {
      for (const { timeNs, fields } of ownMessage(message).points) {
        rows.push({ timeNs, count: fields.find(({ name }) => name === "stats_count")?.value });
      }
      submit(message, committed);
      committed();
    };
    let sent = 0;
    for (let round = 0; round < 20; round += 1) {
      for (let hour = 1; hour <= 5; hour += 1) {
        // No two of one time, which would be copies.
        const atMs = startMs - hour * 3_600_000 - round * 600_000 + sent;
        bench.receive(received(stats(atMs), startMs + sent * 100));
        sent += 1;
      }
    }
    await bench.time.settle();
    bench.drain();
    await bench.time.settle();
    await bench.done;
    const open = bench.lastSave?.sums ?? [];
    assert.ok(open.length <= limits.maxOpenSums, `${open.length} are open`);
    const counted = rows.reduce((sum, { count }) => sum + Number(count), 0);
    assert.equal(counted + open.reduce((sum, { count }) => sum + count, 0), sent);
    assert.equal(new Set(rows.map(({ timeNs }) => timeNs)).size, rows.length);
  });
});
