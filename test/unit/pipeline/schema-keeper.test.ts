/** When a database is asked for its columns, and what becomes of the answer. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { Fault } from "../../../src/lib/fault.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { keepSchema, type SchemaReading } from "../../../src/pipeline/schema-keeper.ts";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { MemorySchema, schemaFault, ScriptedReader } from "../../support/fakes/schema.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const telemetry = "telemetry_em300_th";
const never = new AbortController().signal;
const empty: SchemaReading = { kind: "read", columns: [] };

function temperature(type: ColumnType): SchemaReading {
  return { kind: "read", columns: [{ table: telemetry, column: "temperature", type }] };
}

const away: SchemaReading = { kind: "retry", fault: schemaFault("away") };

function setUp(t: TestContext) {
  const time = VirtualTime.install(t);
  const reader = new ScriptedReader(time);
  const cache = new MemorySchema();
  const faults: Fault[] = [];
  const activity = new Wakeup();
  const keeper = keepSchema({ reader, cache, clock: time, report: (fault) => faults.push(fault), activity });
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    assert.equal(time.timersSet, 0);
  });
  const said = (): string[] => faults.map(({ code }) => code);
  return { time, reader, cache, faults, said, activity, keeper, stop, running };
}

describe("schema keeper", () => {
  test("the first look is shared, and what it finds is learned", async (t) => {
    const { time, reader, cache, keeper } = setUp(t);
    reader.answer = () => temperature("string");
    reader.latencyMs = 100;
    assert.equal(keeper.isKnown, false);
    const outcomes = Promise.all([keeper.read(never), keeper.read(never)]);
    await time.advance(100);
    assert.deepEqual(await outcomes, [{ kind: "known" }, { kind: "known" }]);
    assert.deepEqual([reader.askedMs.length, keeper.isKnown], [1, true]);
    assert.equal(cache.columnsOf(telemetry).get("temperature"), "string");
    assert.equal(keeper.version, 0, "nothing was assumed that it could contradict");
  });

  test("what lines have made while a look was under way outlives its answer, and what they made before does not", async (t) => {
    const { time, reader, cache, keeper } = setUp(t);
    reader.latencyMs = 100;
    keeper.confirm([{ table: telemetry, column: "before", type: "float" }]);
    const look = keeper.read(never);
    await time.advance(50);
    keeper.confirm([{ table: telemetry, column: "meanwhile", type: "float" }]);
    await time.advance(50);
    await look;
    assert.deepEqual([[...cache.columnsOf(telemetry).keys()], keeper.version], [["meanwhile"], 1]);
  });

  test("a look that fails in passing leaves it unknown, and the next one is another", async (t) => {
    const { reader, keeper } = setUp(t);
    reader.answer = (number) => (number === 1 ? { kind: "retry", fault: schemaFault("away") } : empty);
    const first = await keeper.read(never);
    assert.ok(first.kind === "retry" && first.fault.code === "away");
    assert.equal(keeper.isKnown, false);
    assert.deepEqual(await keeper.read(never), { kind: "known" });
  });

  test("after three looks in a row that failed work goes on without, which is said once when something gets through", async (t) => {
    const { time, reader, faults, said, keeper } = setUp(t);
    reader.answer = () => away;
    const outcomes: string[] = [];
    for (let look = 1; look <= 6; look += 1) {
      outcomes.push((await keeper.read(never)).kind);
    }
    assert.deepEqual(outcomes, ["retry", "retry", "known", "known", "known", "known"]);
    assert.deepEqual([said(), keeper.isKnown, reader.askedMs.length], [[], false, 3]);
    for (let written = 0; written < 3; written += 1) {
      keeper.confirm([]);
      await time.advance(1);
    }
    assert.deepEqual([said(), reader.askedMs.length], [["away"], 4], "after one more look, at once");
    assert.equal(faults[0]?.message, "away; writing goes on with the column types that are known from here");
  });

  test("then looks go on in the background, from 30 s to 5 min apart, and nobody waits for them", async (t) => {
    const { time, reader, said, keeper } = setUp(t);
    reader.answer = () => away;
    reader.latencyMs = 5000;
    const looks = [keeper.read(never), keeper.read(never)];
    await time.advance(5000);
    for (let look = 2; look <= 3; look += 1) {
      looks.push(keeper.read(never));
      await time.advance(5000);
    }
    await Promise.all(looks);
    const [firstOnesEndMs, asked] = [time.uptimeMs(), reader.askedMs.length];
    assert.equal(asked, 3);
    for (let second = 0; second < 1200; second += 1) {
      await time.advance(1000);
      const before = time.uptimeMs();
      assert.deepEqual(
        [await keeper.read(never), await keeper.readAgain(never)],
        [{ kind: "known" }, { kind: "known" }],
      );
      assert.equal(time.uptimeMs(), before);
    }
    const began = [firstOnesEndMs - 5000, ...reader.askedMs.slice(3)];
    assert.deepEqual(
      began.slice(1).map((ms, index) => ms - (began[index] ?? 0)),
      [30_000, 60_000, 120_000, 240_000, 300_000, 300_000],
    );
    assert.deepEqual(said(), [], "an outage of everything is not a matter of the schema");
  });

  test("a look in the background that succeeds is learned, and told to whoever waits", async (t) => {
    const { time, reader, cache, activity, said, keeper } = setUp(t);
    cache.columnsOf(telemetry).set("temperature", "float");
    reader.answer = (number) => (number < 5 ? away : temperature("string"));
    for (let look = 1; look <= 3; look += 1) await keeper.read(never);
    const before = activity.version;
    await time.advance(89_000);
    assert.deepEqual([reader.askedMs.length, keeper.recoveries, activity.version], [4, 0, before]);
    await time.advance(2000);
    assert.deepEqual([reader.askedMs.length, keeper.recoveries, keeper.version], [5, 1, 1]);
    assert.ok(activity.version > before);
    assert.equal(keeper.isKnown, true);
    assert.equal(cache.columnsOf(telemetry).get("temperature"), "string");
    await time.advance(3_600_000);
    keeper.confirm([]);
    await time.advance(1000);
    assert.deepEqual([reader.askedMs.length, said()], [5, []], "nobody looks without a cause");
  });

  test("whoever stops while a look in the background hangs waits for nothing", async (t) => {
    const { time, reader, keeper, stop, running } = setUp(t);
    reader.answer = () => away;
    for (let look = 1; look <= 3; look += 1) await keeper.read(never);
    reader.latencyMs = 1_000_000;
    await time.advance(40_000);
    assert.equal(reader.askedMs.length, 4);
    stop.abort(new Error("the end"));
    await running;
    assert.equal(time.timersSet, 0);
  });

  test("a look that succeeds begins the count anew, and what fails after it is said again", async (t) => {
    const { time, reader, said, keeper } = setUp(t);
    reader.answer = (number) => (number === 3 ? empty : away);
    const outcomes = [(await keeper.read(never)).kind];
    for (let look = 2; look <= 6; look += 1) {
      const again = keeper.readAgain(never);
      await time.advance(1000);
      outcomes.push((await again).kind);
    }
    assert.deepEqual(outcomes, ["retry", "retry", "known", "retry", "retry", "known"]);
    keeper.confirm([]);
    await time.advance(1);
    assert.deepEqual([said(), keeper.isKnown, keeper.recoveries], [["away"], true, 1]);
    reader.answer = () => empty;
    await time.advance(60_000);
    assert.equal(keeper.recoveries, 2);
    reader.answer = () => away;
    for (let look = 1; look <= 3; look += 1) {
      const again = keeper.readAgain(never);
      await time.advance(1000);
      await again;
    }
    keeper.confirm([]);
    await time.advance(1);
    assert.deepEqual(said(), ["away", "away"]);
  });

  test("a database that will not say is reported once, and work goes on", async (t) => {
    const { time, reader, said, keeper } = setUp(t);
    reader.answer = () => ({ kind: "unavailable", fault: schemaFault("unavailable") });
    assert.deepEqual(await keeper.read(never), { kind: "known" });
    const again = keeper.readAgain(never);
    await time.advance(1000);
    assert.deepEqual(await again, { kind: "known" });
    assert.deepEqual([said(), keeper.isKnown, reader.askedMs.length], [["unavailable"], true, 2]);
  });

  test("where queries go another way than writes, one look that fails in passing is enough to go on without", async (t) => {
    const { time, reader, said, keeper } = setUp(t);
    reader.answer = () => ({ kind: "later", fault: schemaFault("no_flight") });
    reader.latencyMs = 5000;
    const first = keeper.read(never);
    await time.advance(5000);
    assert.deepEqual(await first, { kind: "known" }, "nobody has to think the database away");
    assert.deepEqual(await keeper.readAgain(never), { kind: "known" });
    assert.deepEqual([reader.askedMs.length, reader.awaited, said()], [1, 1, []]);
    keeper.confirm([]);
    await time.advance(5000);
    assert.deepEqual([reader.askedMs.length, reader.awaited, said()], [2, 1, ["no_flight"]]);
    reader.answer = () => temperature("string");
    await time.advance(120_000);
    assert.deepEqual([keeper.isKnown, keeper.recoveries, reader.awaited], [true, 1, 1]);
  });

  test("what writing goes on without is a trouble until the columns are read, though it is logged once", async (t) => {
    const { time, reader, said, keeper } = setUp(t);
    reader.answer = (number) => ({ kind: "later", fault: schemaFault(`fault_${number}`) });
    const trouble = (): Fault | undefined => keeper.trouble;
    await keeper.read(never);
    assert.equal(trouble(), undefined, "nothing was written: it may be an outage of everything");
    keeper.confirm([]);
    await time.advance(1);
    assert.match(trouble()?.message ?? "", /^fault_2; writing goes on with the column types/);
    await time.advance(120_000);
    assert.equal(trouble()?.code, "fault_3");
    assert.deepEqual(said(), ["fault_2"]);
    reader.answer = () => empty;
    await time.advance(240_000);
    assert.equal(trouble(), undefined);
  });

  test("a database that will not say is looked at now and then: whoever mends that may do it elsewhere", async (t) => {
    const { time, reader, activity, said, keeper } = setUp(t);
    reader.answer = () => ({ kind: "unavailable", fault: schemaFault("unavailable") });
    await keeper.read(never);
    const before = activity.version;
    for (let minute = 0; minute < 60; minute += 1) await time.advance(60_000);
    assert.deepEqual([reader.askedMs.length, said()], [5, ["unavailable"]]);
    assert.deepEqual([keeper.trouble?.code, keeper.recoveries, activity.version], ["unavailable", 0, before]);
    reader.answer = () => temperature("string");
    await time.advance(900_000);
    assert.deepEqual([keeper.trouble, keeper.recoveries, reader.askedMs.length], [undefined, 1, 6]);
    assert.ok(activity.version > before, "what was refused meanwhile may pass now");
    await time.advance(3_600_000);
    assert.equal(reader.askedMs.length, 6);
  });

  test("another look begins after the call, a second after the last one at least, and is shared", async (t) => {
    const { time, reader, keeper } = setUp(t);
    reader.latencyMs = 300;
    const [start, first] = [time.uptimeMs(), keeper.read(never)];
    await time.advance(100);
    // The one under way may have looked before the cause was there: these want one of their own.
    const early = [keeper.readAgain(never), keeper.readAgain(never)];
    await time.advance(1000);
    assert.equal(reader.askedMs.length, 2);
    const late = keeper.readAgain(never);
    await time.advance(2000);
    await Promise.all([first, ...early, late]);
    assert.deepEqual(
      reader.askedMs.map((ms) => ms - start),
      [0, 1000, 2000],
    );
    assert.equal(time.timersSet, 0);
  });

  test("two looks are never under way side by side: the older one could be learned last", async (t) => {
    const { time, reader, keeper } = setUp(t);
    reader.latencyMs = 3000;
    const [start, first] = [time.uptimeMs(), keeper.read(never)];
    const again = keeper.readAgain(never);
    await time.advance(10_000);
    await Promise.all([first, again]);
    assert.ok((reader.askedMs[1] ?? 0) - start >= 3000);
  });

  test("who stops waits for nothing", async (t) => {
    const { time, reader, keeper } = setUp(t);
    await keeper.read(never);
    const stop = new AbortController();
    const again = keeper.readAgain(stop.signal);
    stop.abort(new Error("the end"));
    await assert.rejects(again, /the end/);
    assert.deepEqual([reader.askedMs.length, time.timersSet], [1, 0]);
  });
});
