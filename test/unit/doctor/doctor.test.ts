import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { type Part, runDoctor } from "../../../src/doctor/doctor.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import type { Shown } from "../../../src/doctor/verdict.ts";
import { aborted } from "../../../src/lib/abort.ts";

/** A part that a test leads by the hand. */
class Led {
  readonly part: Part;
  report: (finding: Finding) => void = () => assert.fail("it has not begun");
  signal: AbortSignal | undefined;
  readonly #ended = Promise.withResolvers<void>();

  constructor(id: string, host?: string) {
    this.part = {
      id,
      title: id.replace(".", " "),
      host,
      examine: async (report, signal) => {
        this.report = report;
        this.signal = signal;
        await this.#ended.promise;
      },
    };
  }

  ok(name: string): void {
    this.report({ check: `${this.part.id}.${name}`, severity: "ok", text: name });
  }

  fail(name: string, code: string): void {
    this.report({ check: `${this.part.id}.${name}`, severity: "failure", text: `${name} failed`, code });
  }

  async end(): Promise<void> {
    this.#ended.resolve();
    await turn();
  }

  throw(error: unknown): void {
    this.#ended.reject(error);
  }
}

const never = new AbortController().signal;

interface Round {
  /** Checks in the order in which they were shown. */
  readonly shown: string[];
  readonly waited: string[];
  readonly done: Promise<readonly Shown[]>;
}

function examine(parts: readonly (Led | Part)[], more: Partial<Parameters<typeof runDoctor>[0]> = {}): Round {
  const shown: string[] = [];
  const waited: string[] = [];
  const done = runDoctor({
    parts: parts.map((part) => (part instanceof Led ? part.part : part)),
    show: ({ check }) => {
      shown.push(check);
    },
    wait: (titles) => {
      waited.push(titles.join(", "));
    },
    signal: never,
    ...more,
  });
  return { shown, waited, done };
}

describe("the order", () => {
  test("a line is shown at once when it is its part's turn, and held until then", async () => {
    const [a, b, c] = [new Led("a"), new Led("b"), new Led("c")];
    const { shown, waited, done } = examine([a, b, c]);
    b.ok("1");
    await b.end();
    c.ok("1");
    assert.deepEqual(shown, []);
    a.ok("1");
    assert.deepEqual(shown, ["a.1"]);
    assert.equal(waited.at(-1), "a, c");
    a.ok("2");
    assert.deepEqual(shown, ["a.1", "a.2"]);
    await a.end();
    assert.deepEqual(shown, ["a.1", "a.2", "b.1", "c.1"]);
    assert.equal(waited.at(-1), "c");
    c.ok("2");
    await c.end();
    assert.deepEqual(shown, ["a.1", "a.2", "b.1", "c.1", "c.2"]);
    assert.deepEqual(
      (await done).map(({ part, check }) => [part, check]),
      ["a.1", "a.2", "b.1", "c.1", "c.2"].map((check) => [check[0], check]),
    );
  });

  test("all parts begin at once", async () => {
    const parts = [new Led("a"), new Led("b", "x"), new Led("c", "y")];
    const { done } = examine(parts);
    assert.ok(parts.every(({ signal }) => signal?.aborted === false));
    await Promise.all(parts.map(async (part) => await part.end()));
    await done;
  });

  test("without parts it is over", async () => {
    assert.deepEqual(await examine([]).done, []);
  });
});

describe("a network that is gone", () => {
  test("is one failure, before the others, which stand behind it", async () => {
    const [disk, broker, influx] = [new Led("disk"), new Led("broker", "b"), new Led("influx", "i")];
    const { shown, done } = examine([disk, broker, influx]);
    broker.ok("first");
    broker.fail("name", "name_lookup_failed");
    await broker.end();
    disk.ok("space");
    await disk.end();
    assert.deepEqual(shown, ["disk.space"], "it may be the network");
    influx.fail("name", "name_lookup_failed");
    await influx.end();
    assert.deepEqual(shown, ["disk.space", "network", "broker.first", "broker.name", "influx.name"]);
    const found = await done;
    assert.deepEqual(
      found.map(({ part, code, behind }) => [part, code, behind]),
      [
        ["disk", undefined, undefined],
        ["network", "dns_silent", undefined],
        ["broker", undefined, undefined],
        ["broker", "name_lookup_failed", "network"],
        ["influx", "name_lookup_failed", "network"],
      ],
    );
    assert.equal(found[1]?.text, "no DNS server answers this machine: broker and influx cannot work");
  });

  test("is not waited for when one part alone could still complain", async () => {
    const [broker, influx] = [new Led("broker", "b"), new Led("influx", "i")];
    const { shown, done } = examine([broker, influx]);
    influx.ok("tcp");
    await influx.end();
    broker.fail("name", "name_lookup_failed");
    assert.deepEqual(shown, ["broker.name"]);
    await broker.end();
    assert.equal((await done).length, 2);
  });
});

describe("the end", () => {
  const limits = { examineMs: 30, stopMs: 40 };

  test("a part that does not end is a failure; what it found so far stays, what comes later does not", async () => {
    const [deaf, rest] = [new Led("deaf"), new Led("rest", "h")];
    const { shown, done } = examine([deaf, rest], { limits });
    deaf.ok("1");
    rest.ok("1");
    await rest.end();
    const startedMs = performance.now();
    const found = await done;
    assert.ok(performance.now() - startedMs < 1000, "it is not waited for");
    deaf.ok("2");
    await deaf.end();
    assert.deepEqual(shown, ["deaf.1", "deaf.finished", "rest.1"]);
    assert.equal(found.length, 3);
    assert.equal(found[1]?.severity, "failure");
    assert.equal(found[1]?.text, "not finished after 0.03 s: what it found until then stands above");
  });

  test("one that was told to stop may say what it knows, and has not finished", async () => {
    const part: Part = {
      id: "slow",
      title: "slow",
      examine: async (report, signal) => {
        await aborted(signal);
        report({ check: "slow.last", severity: "warning", text: "got half of it" });
        throw signal.reason;
      },
    };
    const { shown, done } = examine([part], { limits: { ...limits, stopMs: 60_000 } });
    const found = await done;
    assert.deepEqual(shown, ["slow.last", "slow.finished"]);
    assert.match(found[1]?.text ?? "", /^not finished after 0\.03 s: /);
  });

  test("nothing found in time: that is said", async () => {
    const found = await examine([new Led("mute")], { limits }).done;
    assert.equal(found[0]?.text, "not finished after 0.03 s: nothing is known of it");
  });

  test("unless told otherwise it stops the parts after 25 s, and is over within 30", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const part = new Led("deaf");
    const { done } = examine([part]);
    t.mock.timers.tick(24_999);
    await turn();
    assert.equal(part.signal?.aborted, false);
    t.mock.timers.tick(1);
    await turn();
    assert.equal(part.signal.aborted, true);
    t.mock.timers.tick(3000);
    await turn();
    const over = "over";
    assert.notEqual(await Promise.race([done, turn(over)]), over);
    assert.match((await done)[0]?.text ?? "", /^not finished after 25 s: /);
  });

  test("an interrupt tells all parts to stop, and ends it although one does not", async () => {
    const [deaf, polite] = [new Led("deaf"), new Led("polite")];
    const stop = new AbortController();
    const { shown, done } = examine([deaf, polite], {
      signal: stop.signal,
      limits: { examineMs: 60_000, stopMs: 20 },
    });
    const reason = new Error("SIGINT");
    stop.abort(reason);
    assert.equal(deaf.signal?.reason, reason);
    assert.equal(polite.signal?.reason, reason);
    await assert.rejects(done, reason);
    deaf.ok("late");
    assert.deepEqual(shown, []);
  });

  test("an interrupt is over as soon as all parts are", async () => {
    const part = new Led("polite");
    const stop = new AbortController();
    const { done } = examine([part], { signal: stop.signal, limits: { examineMs: 60_000, stopMs: 60_000 } });
    const reason = new Error("SIGINT");
    stop.abort(reason);
    part.throw(reason);
    await assert.rejects(done, reason);
  });

  test("what was interrupted before it began examines nothing", async () => {
    const part = new Led("a");
    const { done } = examine([part], { signal: AbortSignal.abort(new Error("SIGTERM")) });
    await assert.rejects(done, /SIGTERM/);
    assert.equal(part.signal, undefined);
  });

  test("what a part throws is thrown again, and the others are told to stop", async () => {
    const [broken, other] = [new Led("broken"), new Led("other")];
    const { shown, done } = examine([broken, other]);
    broken.throw(new TypeError("a bug"));
    await assert.rejects(done, TypeError);
    assert.equal(other.signal?.aborted, true);
    other.ok("late");
    assert.deepEqual(shown, []);
  });

  test("a part that throws at once is thrown again, too", async () => {
    const part: Part = {
      id: "a",
      title: "a",
      examine: () => {
        throw new TypeError("a bug");
      },
    };
    await assert.rejects(examine([part]).done, TypeError);
  });

  test("no timer is left", async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const part = new Led("a");
    const { done } = examine([part]);
    await part.end();
    await done;
    await delay(1);
    const after = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    assert.ok(after <= before, `${before} timers before, ${after} after`);
  });
});
