/** When a database is asked for its columns, and what becomes of the answer. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { keepSchema, type SchemaReading } from "../../../src/pipeline/schema-first.ts";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { MemorySchema, schemaFault, ScriptedReader } from "../../support/fakes/schema.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const telemetry = "telemetry_em300_th";
const never = new AbortController().signal;
const empty: SchemaReading = { kind: "read", columns: [] };

function temperature(type: ColumnType): SchemaReading {
  return { kind: "read", columns: [{ table: telemetry, column: "temperature", type }] };
}

function setUp(t: TestContext) {
  const time = VirtualTime.install(t);
  const reader = new ScriptedReader(time);
  const cache = new MemorySchema();
  const said: string[] = [];
  const keeper = keepSchema({ reader, cache, clock: time, report: ({ code }) => said.push(code) });
  return { time, reader, cache, said, keeper };
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

  test("a look that fails in passing leaves it unknown, and the next one is another", async (t) => {
    const { reader, keeper } = setUp(t);
    reader.answer = (number) => (number === 1 ? { kind: "retry", fault: schemaFault("away") } : empty);
    const first = await keeper.read(never);
    assert.ok(first.kind === "retry" && first.fault.code === "away");
    assert.equal(keeper.isKnown, false);
    assert.deepEqual(await keeper.read(never), { kind: "known" });
  });

  test("after three looks in a row that failed work goes on without, which is said once; each is another", async (t) => {
    const { reader, cache, said, keeper } = setUp(t);
    reader.answer = () => ({ kind: "retry", fault: schemaFault("away") });
    const outcomes: string[] = [];
    for (let look = 1; look <= 6; look += 1) {
      outcomes.push((await keeper.read(never)).kind);
      if (look === 3) assert.deepEqual(said, [], "whoever hears of a failure says it");
    }
    assert.deepEqual(outcomes, ["retry", "retry", "retry", "known", "known", "known"]);
    assert.deepEqual([said, keeper.isKnown, reader.askedMs.length], [["away"], false, 6]);
    reader.answer = () => temperature("string");
    assert.deepEqual(await keeper.read(never), { kind: "known" });
    assert.equal(keeper.isKnown, true);
    assert.equal(cache.columnsOf(telemetry).get("temperature"), "string");
    assert.deepEqual(said, ["away"]);
  });

  test("a look that succeeds begins the count anew", async (t) => {
    const { time, reader, said, keeper } = setUp(t);
    reader.answer = (number) => (number === 3 ? empty : { kind: "retry", fault: schemaFault("away") });
    const outcomes = [(await keeper.read(never)).kind];
    for (let look = 2; look <= 7; look += 1) {
      const again = keeper.readAgain(never);
      await time.advance(1000);
      outcomes.push((await again).kind);
    }
    assert.deepEqual(outcomes, ["retry", "retry", "known", "retry", "retry", "retry", "known"]);
    assert.deepEqual([said, keeper.isKnown], [["away"], true]);
  });

  test("a database that will not say is reported once, and work goes on", async (t) => {
    const { time, reader, said, keeper } = setUp(t);
    reader.answer = () => ({ kind: "unavailable", fault: schemaFault("unavailable") });
    assert.deepEqual(await keeper.read(never), { kind: "known" });
    const again = keeper.readAgain(never);
    await time.advance(1000);
    assert.deepEqual(await again, { kind: "known" });
    assert.deepEqual([said, keeper.isKnown, reader.askedMs.length], [["unavailable"], true, 2]);
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
