/** Several destinations over one log. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { delivered, hang, refusedBatch, retry } from "../../support/fakes/scripted-writer.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";
import { type Database, databases, type Kind, RoutesBench } from "./routes-bench.ts";

const hourMs = 3_600_000;

describe("forward to several databases", () => {
  test("each message is written to its database and settled by its forwarder, and all of it adds up", async (t) => {
    const bench = RoutesBench.install(t);
    for (let round = 0; round < 100; round += 1) {
      for (const kind of ["main", "farm", "mine", "junk", "command", "own"] as const) bench.commit(kind);
      if (round === 50) bench.start();
    }
    await bench.time.until(() => bench.log.backlog === 0, 60_000, "everything is settled");
    await bench.stop();
    bench.assertComplete();
    bench.assertAddsUp();
    assert.equal(bench.quarantined.size, 100);
    const { written, ownWritten } = bench.counters;
    assert.deepEqual([written, ownWritten], [300, 100], "rows of our own are not what brokers sent");
  });

  test("one away for long: the others go on at once, and afterwards it gets what is its own", async (t) => {
    for (const away of databases) {
      await t.test(`${away} is away`, async (t) => {
        const bench = RoutesBench.install(t).start();
        bench.writers[away].answer = () => retry();
        const others = databases.filter((name) => name !== away);
        for (let minute = 0; minute < 15; minute += 1) {
          for (const name of databases) bench.commit(name, 5);
          bench.commit("junk");
          await bench.time.advance(1500);
          for (const name of others) assert.equal(bench.backlogOf(name), 0, name);
          await bench.time.advance(58_500);
        }
        assert.equal(bench.taken(away).size, 0);
        assert.equal(bench.forwards[away]?.influxdb, "away");
        for (const name of others) assert.equal(bench.forwards[name]?.influxdb, "up");
        assert.ok(bench.writers[away].writes.length < 15 * 60 + 30);
        const said = bench.logger.lines.filter(({ code }) => code === "write_overloaded");
        assert.ok(said.length > 0);
        const named = away === "main" ? undefined : away;
        for (const { details } of said) assert.equal(details["database"], named);
        bench.writers[away].answer = () => delivered;
        await bench.time.until(() => bench.log.backlog === 0, 60_000, "everything is settled");
        await bench.stop();
        bench.assertComplete();
        bench.assertAddsUp();
      });
    }
  });

  test("an outage costs the others no decoding, and itself little: what is another's is looked at once", async (t) => {
    const bench = RoutesBench.install(t).start(["main", "farm"]);
    bench.writers.farm.answer = () => retry();
    const count = 3000;
    for (let n = 0; n < count / 2; n += 1) {
      bench.commit("main");
      bench.commit("farm");
      if (n % 100 === 99) await bench.time.advance(5000);
    }
    await bench.time.advance(600_000);
    const inOutage = bench.decodedCount;
    bench.writers.farm.answer = () => delivered;
    await bench.time.until(() => bench.log.backlog === 0, 60_000, "everything is settled");
    assert.ok(inOutage < 2 * count + 64 * bench.writers.farm.writes.length, `${inOutage} decodings`);
    // What it left behind alternates with what is settled: pieces of one message must not take a turn each.
    assert.ok(
      bench.log.readCount < 4 * count + 64 * bench.writers.farm.writes.length,
      `${bench.log.readCount}`,
    );
    bench.assertComplete(["main", "farm"]);
  });

  test("in step, all readers together decode each message once", async (t) => {
    const bench = RoutesBench.install(t).start();
    for (let round = 0; round < 50; round += 1) {
      for (const name of databases) bench.commit(name, 10);
      await bench.time.advance(1000);
    }
    assert.equal(bench.log.backlog, 0);
    assert.equal(bench.decodedCount, 1500);
  });

  test("a database that hangs holds up nobody else", async (t) => {
    const bench = RoutesBench.install(t);
    bench.writers.farm.answer = () => hang;
    for (let n = 0; n < 500; n += 1) {
      bench.commit("farm");
      bench.commit("main");
      bench.commit("mine");
    }
    bench.start();
    await bench.time.until(
      () => bench.backlogOf("main") + bench.backlogOf("mine") === 0,
      10_000,
      "the others",
    );
    assert.equal(bench.backlogOf("farm"), 500);
    await bench.stop();
    assert.equal(bench.backlogOf("farm"), 500, "what was given up is settled by nobody");
  });

  test("what waits is counted over all of them, and is 0 in the end", async (t) => {
    const bench = RoutesBench.install(t).start();
    for (const name of ["farm", "mine"] as const) bench.writers[name].answer = () => refusedBatch;
    bench.commit("farm", 3);
    bench.commit("mine", 4);
    bench.commit("main", 5);
    await bench.time.until(() => bench.counters.held === 7, 60_000, "they are held");
    bench.writers.farm.answer = () => delivered;
    await bench.time.advance(310_000);
    assert.equal(bench.counters.held, 4);
    bench.writers.mine.answer = () => delivered;
    await bench.time.until(() => bench.log.backlog === 0, 400_000, "everything is settled");
    await bench.time.advance(1000);
    assert.equal(bench.counters.held, 0);
  });

  test("the same event from a source with a database of its own is in both", async (t) => {
    const bench = RoutesBench.install(t).start();
    bench.commit("main");
    await bench.time.advance(1000);
    bench.repeat(1, "mqtt2");
    bench.repeat(1, "mqtt");
    bench.repeat(2, "mqtt2");
    await bench.time.until(() => bench.log.backlog === 0, 10_000, "everything is settled");
    assert.deepEqual([[...bench.taken("main")], [...bench.taken("mine")]], [[1], [1]]);
    assert.equal(bench.counters.duplicates, 2);
  });

  test("what is gone from the log is settled by the default one", async (t) => {
    const bench = RoutesBench.install(t);
    bench.commit("command", 300);
    bench.commit("farm", 10);
    bench.log.lose(20, 280);
    bench.start();
    await bench.time.until(() => bench.log.backlog === 0, 10_000, "everything is settled");
    bench.assertComplete();
  });

  test("at rest nobody wakes up, also when one is away and the rest is not its business", async (t) => {
    const bench = RoutesBench.install(t).start();
    bench.writers.farm.answer = () => retry();
    bench.commit("farm");
    await bench.time.advance(10_000);
    bench.writers.farm.answer = () => delivered;
    bench.commit("main", 50);
    await bench.time.until(() => bench.log.backlog === 0, 60_000, "everything is settled");
    await bench.time.advance(60_000);
    const fired = bench.time.timersFired;
    await bench.time.advance(hourMs);
    assert.deepEqual([bench.time.timersFired - fired, bench.time.timersSet], [0, 0]);
  });
});

type Weather = "fine" | "away" | "refusing" | "slow" | "hanging";

type Step =
  | { readonly do: "commit"; readonly kind: Kind; readonly count: number }
  | { readonly do: "repeat"; readonly pick: number; readonly source: "mqtt" | "mqtt2" }
  | { readonly do: "weather"; readonly database: Database; readonly weather: Weather }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "save" }
  | { readonly do: "restart"; readonly isCrash: boolean };

const database = fc.constantFrom(...databases);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("commit" as const),
      kind: fc.constantFrom<Kind>("main", "farm", "mine", "junk", "command", "own"),
      count: fc.integer({ min: 1, max: 100 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("repeat" as const),
      pick: fc.nat(),
      source: fc.constantFrom("mqtt" as const, "mqtt2" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("weather" as const),
      database,
      weather: fc.constantFrom<Weather>("fine", "away", "refusing", "slow", "hanging"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 50, 300, 5000, 400_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("save" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), isCrash: fc.boolean() }) },
);

function setWeather(bench: RoutesBench, name: Database, weather: Weather): void {
  const writer = bench.writers[name];
  writer.latencyMs = weather === "slow" ? 700 : 0;
  writer.answer = ({ number }) => {
    if (weather === "away") return retry();
    if (weather === "hanging") return hang;
    return weather === "refusing" && number % 3 !== 0 ? refusedBatch : delivered;
  };
}

async function take(bench: RoutesBench, next: Step): Promise<void> {
  switch (next.do) {
    case "commit":
      bench.commit(next.kind, next.count);
      return;
    case "repeat":
      if (bench.log.lastSeq > 0) bench.repeat(1 + (next.pick % bench.log.lastSeq), next.source);
      return;
    case "weather":
      setWeather(bench, next.database, next.weather);
      return;
    case "wait":
      await bench.time.advance(next.ms);
      return;
    case "save":
      bench.log.save();
      return;
    case "restart":
      await bench.stop();
      if (next.isCrash) bench.log.crash();
      bench.start();
  }
}

test("whatever happens: nothing is lost, settled early, by the wrong one or twice, or written elsewhere", async (t) => {
  const time = VirtualTime.install(t);
  let [settled, refused] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      const bench = new RoutesBench(time);
      try {
        bench.start();
        for (const next of steps) await take(bench, next);
        // What hangs is given up by a restart only; what was refused is tried again within minutes.
        await bench.stop();
        for (const name of databases) setWeather(bench, name, "fine");
        bench.start();
        await time.until(() => bench.log.backlog === 0, hourMs, "everything is settled");
        await bench.stop();
        bench.assertComplete();
        settled += bench.log.lastSeq;
        refused += bench.logger.codes.length;
      } finally {
        await bench.close();
      }
    }),
    { numRuns: 40, seed: 3 },
  );
  assert.ok(settled > 5000 && refused > 10, `${settled} messages, ${refused} faults`);
});
