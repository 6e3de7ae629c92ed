import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Drain, type DrainLook } from "../../../src/app/drain.ts";
import type { DatabaseState } from "../../../src/status/snapshot.ts";

/** A daemon that is looked at every five seconds; each step says what happens in one second of them. */
class Watched {
  readonly #drain = new Drain();
  #nowMs = 1_000_000;
  #lastSeq = 100_000;
  #backlog: number;
  #evicted = 0;
  #purged = 0;
  #unsettled = 0;
  state: DatabaseState = "up";
  held = 0;

  constructor(backlog: number) {
    this.#backlog = backlog;
    this.#look();
  }

  #look(): void {
    const look: DrainLook = {
      databases: [{ name: "lorawan", state: this.state }],
      journal: {
        lastSeq: this.#lastSeq,
        backlog: this.#backlog,
        evicted: this.#evicted,
        purged: this.#purged,
        unsettled: this.#unsettled,
      },
      counters: { held: this.held, waitingForClock: 0 },
    };
    this.#drain.look(look, this.#nowMs);
  }

  pass(
    seconds: number,
    { arrived = 0, settled = 0, evicted = 0 }: { arrived?: number; settled?: number; evicted?: number },
  ): this {
    for (let passed = 0; passed < seconds; passed += 5) {
      this.#nowMs += 5000;
      this.#lastSeq += 5 * arrived;
      this.#evicted += 5 * evicted;
      this.#backlog = Math.max(0, this.#backlog + 5 * (arrived - settled - evicted));
      this.#look();
    }
    return this;
  }

  /** `flightline buffer purge`, and the other way `resend`. */
  byHand({ purged = 0, unsettled = 0 }: { purged?: number; unsettled?: number }): this {
    this.#purged += purged;
    this.#unsettled += unsettled;
    this.#backlog += unsettled - purged;
    return this;
  }

  /** [per second, seconds left], rounded. */
  get said(): readonly [number, number] | undefined {
    const { status } = this.#drain;
    return status && [Math.round(status.perSecond), Math.round(status.leftMs / 1000)];
  }

  get backlog(): number {
    return this.#backlog;
  }
}

describe("how a backlog drains", () => {
  test("the rate is net of what comes in, and the time left follows from it", () => {
    assert.deepEqual(new Watched(60_000).pass(20, { arrived: 40, settled: 140 }).said, [100, 580]);
  });

  test("nothing is said in the first seconds", () => {
    const watched = new Watched(60_000).pass(10, { settled: 100 });
    assert.equal(watched.said, undefined);
    assert.deepEqual(watched.pass(5, { settled: 100 }).said, [100, 585]);
  });

  test("nothing is said while the backlog grows or stands", () => {
    assert.equal(new Watched(60_000).pass(60, { arrived: 10 }).said, undefined);
    assert.equal(new Watched(60_000).pass(60, { arrived: 10, settled: 10 }).said, undefined);
  });

  test("nothing is said while a database takes no writes; and what was before that counts no more", () => {
    const watched = new Watched(60_000).pass(60, { settled: 500 });
    watched.state = "away";
    assert.equal(watched.pass(5, { arrived: 10 }).said, undefined);
    watched.state = "up";
    assert.equal(watched.pass(15, { settled: 100 }).said, undefined);
    assert.equal(watched.pass(5, { settled: 100 }).said?.[0], 100);
  });

  test("what the quota drops does not drain", () => {
    assert.equal(new Watched(60_000).pass(30, { arrived: 50, evicted: 100 }).said, undefined);
    assert.equal(new Watched(60_000).pass(30, { settled: 50, evicted: 100 }).said?.[0], 50);
  });

  test("what a person takes out of the backlog, or puts back into it, changes the time left and not the rate", () => {
    const purged = new Watched(188_000).pass(60, { settled: 100 }).byHand({ purged: 100_000 });
    assert.deepEqual(purged.pass(5, { settled: 100 }).said, [100, 815]);
    const resent = new Watched(20_000).pass(60, { settled: 100 }).byHand({ unsettled: 50_000 });
    assert.deepEqual(resent.pass(5, { settled: 100 }).said, [100, 635]);
    const both = new Watched(20_000).byHand({ purged: 15_000, unsettled: 30_000 });
    assert.deepEqual(both.pass(20, { arrived: 40, settled: 140 }).said, [100, 330]);
  });

  test("a link that has become slower, or quicker, shows within three minutes", () => {
    for (const settled of [10, 1000]) {
      const watched = new Watched(1_000_000).pass(600, { settled: 100 }).pass(180, { settled });
      const [perSecond = 0, leftS = 0] = watched.said ?? [];
      assert.ok(Math.abs(perSecond - settled) < 0.06 * 1000, `${perSecond}/s after ${settled}/s`);
      const trueS = watched.backlog / settled;
      assert.ok(leftS > trueS * 0.6 && leftS < trueS * 1.1, `${leftS} s instead of ${trueS} s`);
    }
  });

  test("writes that hang make the time left longer and longer", () => {
    const watched = new Watched(60_000).pass(60, { settled: 100 });
    const times = [1, 2, 3].map(() => watched.pass(30, {}).said?.[1] ?? 0);
    assert.ok(
      times.every((time, index) => time > 1.4 * (times[index - 1] ?? 540)),
      times.join(" "),
    );
  });

  test("what is always under way is no backlog", () => {
    const watched = new Watched(0).pass(10, { arrived: 500, settled: 320 });
    assert.equal(watched.backlog, 1800);
    assert.equal(watched.pass(20, { arrived: 500, settled: 560 }).said, undefined);
    assert.equal(new Watched(90).pass(15, { settled: 1 }).said, undefined);
  });

  test("messages that wait for something else are not in the time left", () => {
    const watched = new Watched(60_000);
    watched.held = 50_000;
    assert.deepEqual(watched.pass(20, { settled: 100 }).said, [100, 80]);
    watched.held = 58_000;
    assert.equal(watched.pass(20, { settled: 100 }).said, undefined, "all the rest is held");
  });

  test("looks in quick succession change nothing", () => {
    const drain = new Drain();
    const look = (backlog: number, nowMs: number): void => {
      drain.look(
        {
          databases: [{ name: "lorawan", state: "up" }],
          journal: { lastSeq: 1, backlog, evicted: 0, purged: 0, unsettled: 0 },
          counters: { held: 0, waitingForClock: 0 },
        },
        nowMs,
      );
    };
    look(20_000, 0);
    look(19_000, 10_000);
    look(19_500, 10_400);
    look(18_000, 20_000);
    assert.equal(Math.round(drain.status?.perSecond ?? 0), 100);
  });
});
