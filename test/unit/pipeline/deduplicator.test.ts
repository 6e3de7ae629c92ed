import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { rememberTail } from "../../../src/pipeline/recovery.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

function examine(memory: Deduplicator, seq: number, text: string, mayRepeat = true, topic = "t"): string {
  return memory.examine({ seq, source: "mqtt", topic, payload: bytes(text) }, mayRepeat);
}

describe("deduplicator", () => {
  test("a copy follows while the first one is on its way, and is a duplicate afterwards", () => {
    const memory = new Deduplicator(10);
    assert.equal(examine(memory, 1, "a"), "new");
    assert.equal(examine(memory, 2, "b"), "new");
    assert.equal(examine(memory, 3, "a"), "follows");
    assert.equal(examine(memory, 4, "a"), "follows");
    assert.deepEqual(memory.delivered(1), [3, 4]);
    assert.deepEqual(memory.delivered(2), []);
    assert.equal(examine(memory, 5, "a"), "duplicate");
  });

  test("when the first one is given up, its copies are examined anew, and the next one leads", () => {
    const memory = new Deduplicator(10);
    examine(memory, 1, "a");
    examine(memory, 2, "a");
    assert.deepEqual(memory.givenUp(1), [2]);
    assert.equal(examine(memory, 2, "a"), "new");
    assert.equal(examine(memory, 1, "a"), "follows");
    assert.deepEqual(memory.delivered(2), [1]);
  });

  test("a copy of one that was evicted before it was delivered is sent", () => {
    const memory = new Deduplicator(10);
    examine(memory, 1, "a");
    memory.givenUp(1);
    // The quota took seq 1 here: it is settled, and InfluxDB never saw it.
    assert.equal(examine(memory, 2, "a"), "new");
  });

  test("without an id, equal bytes are two events unless the broker says that it repeats itself", () => {
    const memory = new Deduplicator(10);
    assert.equal(examine(memory, 1, "a", false), "new");
    assert.equal(examine(memory, 2, "a", false), "new");
    assert.equal(examine(memory, 3, "a", true), "follows");
    assert.deepEqual(memory.delivered(1), []);
    assert.deepEqual(memory.delivered(2), [3], "the newest of equal ones is the one that is repeated");
  });

  test("an older one of equal bytes that is given up does not make the newer one forgotten", () => {
    const memory = new Deduplicator(10);
    examine(memory, 1, "a", false);
    examine(memory, 2, "a", false);
    memory.delivered(2);
    memory.givenUp(1);
    assert.equal(examine(memory, 3, "a"), "duplicate");
  });

  test("equal bytes on another topic are another message, and no concatenation confuses the two", () => {
    const memory = new Deduplicator(10);
    assert.equal(examine(memory, 1, "b", true, "a"), "new");
    assert.equal(examine(memory, 2, "b", true, "a/x"), "new");
    assert.equal(examine(memory, 3, "", true, "ab"), "new");
    assert.equal(examine(memory, 4, "bc", true, "a"), "new");
  });

  test("the same from two sources is one event, unless a route tells them apart", () => {
    const memory = new Deduplicator(10, new Set(["mqtt3"]));
    const from = (seq: number, source: string): string =>
      memory.examine({ seq, source, topic: "t", payload: bytes("a") }, true);
    assert.deepEqual(
      [from(1, "mqtt"), from(2, "mqtt2"), from(3, "mqtt3"), from(4, "mqtt3")],
      ["new", "follows", "new", "follows"],
    );
    assert.deepEqual([memory.delivered(1), memory.delivered(3)], [[2], [4]]);
    const later = new Deduplicator(10, new Set(["mqtt3"]));
    later.remember("t", bytes("a"), "mqtt3");
    const verdict = (source: string): string =>
      later.examine({ seq: 9, source, topic: "t", payload: bytes("a") }, true);
    assert.deepEqual([verdict("mqtt3"), verdict("mqtt")], ["duplicate", "new"]);
  });

  test("a message that is remembered is a copy's first one, from any source that no route tells apart", () => {
    const memory = new Deduplicator(10, new Set(["mqtt3"]));
    memory.remember("t", bytes("a"), "mqtt");
    const verdict = (source: string): string =>
      memory.examine({ seq: 9, source, topic: "t", payload: bytes("a") }, true);
    assert.deepEqual(
      [verdict("mqtt2"), verdict("mqtt"), verdict("mqtt3")],
      ["duplicate", "duplicate", "new"],
    );
  });

  test("its memory is bounded, and what was seen last is forgotten last", () => {
    const memory = new Deduplicator(3);
    for (const [seq, text] of ["a", "b", "c"].entries()) {
      examine(memory, seq + 1, text);
      memory.delivered(seq + 1);
    }
    examine(memory, 4, "a", false);
    memory.delivered(4);
    examine(memory, 5, "d");
    assert.equal(examine(memory, 6, "a"), "duplicate", "seen again, remembered anew");
    assert.equal(examine(memory, 7, "b"), "new", "forgotten");
  });

  test("a leader that was forgotten still takes its followers along", () => {
    const memory = new Deduplicator(1);
    examine(memory, 1, "a");
    examine(memory, 2, "a");
    examine(memory, 3, "b");
    assert.deepEqual(memory.delivered(1), [2]);
  });
});

type Move =
  | { readonly do: "arrive"; readonly event: number }
  | { readonly do: "take" | "deliver" | "fail" | "evict"; readonly pick: number }
  | { readonly do: "save" | "crash" };

/** The forwarder reduced to what matters here, with the judge of the promise built in. */
class Life {
  readonly log = new MemoryLog();
  memory = new Deduplicator(1000);
  leased = new Set<number>();
  inFlight: number[] = [];
  /** Event → how often it was delivered, in all and in this life. */
  readonly delivered = new Map<string, number>();
  deliveredNow = new Map<string, number>();
  readonly evicted = new Set<number>();

  #eventOf(seq: number): string {
    return this.log.read(seq, seq, 1)[0]?.payload.toString() ?? "";
  }

  step(move: Move): void {
    switch (move.do) {
      case "arrive":
        this.log.append({ topic: "t", payload: bytes(`event ${move.event}`) });
        break;
      case "take":
        this.#take(move.pick);
        break;
      case "deliver":
        this.#deliver(move.pick);
        break;
      case "fail":
        this.#fail(move.pick);
        break;
      case "evict":
        this.#evict(move.pick);
        break;
      case "save":
        this.log.save();
        break;
      case "crash":
        this.#crash();
    }
  }

  takeable(): number[] {
    const seqs = Array.from({ length: this.log.lastSeq }, (_, index) => index + 1);
    return seqs.filter((seq) => !this.log.settled.has(seq) && !this.leased.has(seq));
  }

  #take(pick: number): void {
    const open = this.takeable();
    const seq = open[pick % Math.max(1, open.length)];
    if (seq === undefined) return;
    const [message] = this.log.read(seq, seq, 1);
    assert.ok(message !== undefined);
    const verdict = this.memory.examine(message, true);
    if (verdict === "duplicate") this.#settle(seq);
    else this.leased.add(seq);
    if (verdict === "new") this.inFlight.push(seq);
  }

  #deliver(pick: number): void {
    const [seq] = this.inFlight.splice(pick % Math.max(1, this.inFlight.length), 1);
    if (seq === undefined || this.evicted.has(seq)) {
      if (seq !== undefined) this.#release(seq);
      return;
    }
    const event = this.#eventOf(seq);
    this.delivered.set(event, (this.delivered.get(event) ?? 0) + 1);
    this.deliveredNow.set(event, (this.deliveredNow.get(event) ?? 0) + 1);
    for (const done of [seq, ...this.memory.delivered(seq)]) this.#settle(done);
  }

  #fail(pick: number): void {
    const [seq] = this.inFlight.splice(pick % Math.max(1, this.inFlight.length), 1);
    if (seq !== undefined) this.#release(seq);
  }

  #release(seq: number): void {
    for (const one of [seq, ...this.memory.givenUp(seq)]) this.leased.delete(one);
  }

  /** The oldest go; only those that nobody is sending, to keep the judge simple. */
  #evict(pick: number): void {
    const open = this.takeable().slice(0, 1 + (pick % 3));
    for (const seq of open) {
      this.evicted.add(seq);
      this.log.evict(seq, seq);
    }
  }

  #settle(seq: number): void {
    const event = this.#eventOf(seq);
    assert.ok((this.delivered.get(event) ?? 0) > 0, `${event} (seq ${seq}) was settled and never delivered`);
    this.log.settle(seq, seq);
    this.leased.delete(seq);
  }

  #crash(): void {
    this.log.crash();
    for (const seq of this.evicted) this.log.evict(seq, seq);
    this.memory = new Deduplicator(1000);
    rememberTail(this.memory, this.log, 1000);
    this.leased = new Set();
    this.inFlight = [];
    this.deliveredNow = new Map();
  }

  finish(): void {
    for (let guard = 0; this.takeable().length > 0 || this.inFlight.length > 0; guard += 1) {
      assert.ok(guard < 10_000, "it never ends: somebody follows a message that is not sent");
      this.#take(0);
      this.#deliver(0);
    }
    assert.equal(this.leased.size, 0, "a message is leased for ever");
    assert.equal(this.log.backlog, 0);
    for (const [event, count] of this.deliveredNow) assert.equal(count, 1, `${event} twice in one life`);
  }
}

test("random deliveries, failures, evictions and crashes: settled means delivered, once in one life", () => {
  const pick = fc.nat(100);
  const move: fc.Arbitrary<Move> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("arrive" as const), event: fc.nat(4) }) },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom("take", "take", "deliver", "fail", "evict"), pick }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("save", "crash") }) },
  );
  let crashes = 0;
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80, size: "max" }), (moves) => {
      const life = new Life();
      for (const one of moves) {
        life.step(one);
        if (one.do === "crash") crashes += 1;
      }
      life.finish();
    }),
    { numRuns: 400, seed: 1 },
  );
  assert.ok(crashes > 100, `${crashes} crashes`);
});
