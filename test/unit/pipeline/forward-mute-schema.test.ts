/** Which columns values go to where a database takes writes and says nothing of its schema. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { schemaFault } from "../../support/fakes/schema.ts";
import { uplink } from "../../support/uplinks.ts";
import { telemetry, withDatabase } from "./columns-bench.ts";

describe("where the columns cannot be asked for", () => {
  const noAnswer = { kind: "unavailable", fault: schemaFault("schema_unreadable") } as const;

  function withMuteDatabase(t: TestContext) {
    const made = withDatabase(t);
    made.reader.answer = () => noAnswer;
    let n = 0;
    const send = (object: Readonly<Record<string, unknown>>): void => {
      n += 1;
      made.bench.append(uplink(n, { object }));
    };
    /** What would be there after a restart. */
    const kept = (): Map<string, ColumnType | undefined> =>
      new Map(
        made.schema
          .unsaved()
          .filter(({ table }) => table === telemetry)
          .map(({ column, type }) => [column, type]),
      );
    return { ...made, send, kept };
  }

  test("one odd value moves no column: what fits keeps the plain one, and the odd one goes beside it later", async (t) => {
    const { bench, types, send, kept } = withMuteDatabase(t);
    types.set("temperature", "float");
    bench.start({ maxAgeMs: 100 });
    send({ temperature: "ERR", humidity: 40 });
    for (let count = 1; count <= 30; count += 1) send({ temperature: count + 0.5, humidity: count });
    await bench.time.advance(5000);
    assert.deepEqual([bench.counters.written, bench.counters.held], [30, 1]);
    assert.deepEqual(
      ["temperature", "temperature_num", "temperature_text"].map((name) => types.get(name)),
      ["float", undefined, undefined],
    );
    await bench.settled(300_000);
    bench.assertTakenOnce(31);
    assert.deepEqual([types.get("temperature_text"), types.get("humidity_num")], ["string", undefined]);
    for (const [name, type] of kept())
      if (name !== "dev_eui" && name !== "application_id") assert.equal(types.get(name), type, name);
    assert.deepEqual([kept().get("temperature"), kept().get("temperature_text")], ["float", "string"]);
    const writes = bench.writer.writes.length;
    send({ temperature: "ERR", humidity: 41 });
    await bench.settled(5000);
    assert.equal(bench.writer.writes.length, writes + 1, "the next one is refused no more");
  });

  test("nothing that was refused is kept for the next start", async (t) => {
    const { bench, types, send, kept } = withMuteDatabase(t);
    types.set("temperature", "float");
    bench.start({ maxAgeMs: 100 });
    send({ temperature: "ERR" });
    await bench.time.advance(5000);
    assert.deepEqual([bench.counters.held, kept().size], [1, 0]);
  });

  test("odd values that are tried again claim nothing, however long nothing else comes", async (t) => {
    const { bench, types, schema, judge, send } = withMuteDatabase(t);
    types.set("temperature", "float");
    /** At each write: what others would follow. */
    const claims: (ColumnType | undefined)[] = [];
    bench.writer.answer = (write) => {
      claims.push(schema.columnsOf(telemetry).get("temperature"));
      return judge(write);
    };
    bench.start({ maxAgeMs: 100 });
    for (let count = 1; count <= 2; count += 1) {
      send({ temperature: "ERR" });
      await bench.time.advance(5000);
    }
    const tried = claims.length;
    assert.ok(tried > 0 && claims.every((type) => type === "string"));
    await bench.time.advance(1_200_000);
    assert.ok(claims.length >= tried + 2, "they were tried");
    assert.ok(claims.slice(tried).every((type) => type === undefined));
    assert.deepEqual(
      [bench.log.backlog, bench.dead.length],
      [1, 1],
      "the second one's rows got through since",
    );
    send({ temperature: 21.5 });
    await bench.settled(301_000);
    bench.assertTakenOnce(3);
    assert.deepEqual([types.get("temperature_text"), types.get("temperature_num")], ["string", undefined]);
  });

  test("a column that one message has made while others wait is theirs at once", async (t) => {
    const { bench, types, send } = withMuteDatabase(t);
    bench.start({ maxAgeMs: 100 });
    send({ temperature: 21.5 });
    send({ temperature: "ERR" });
    await bench.settled(5000);
    assert.deepEqual([types.get("temperature"), types.get("temperature_text")], ["float", "string"]);
    assert.deepEqual([bench.writer.writes.length, bench.counters.held], [1, 0]);
  });

  test("whatever comes in whatever order gets through, and each value that fits is in the plain column", async (t) => {
    const { bench, types, send } = withMuteDatabase(t);
    types.set("temperature", "float").set("status", "string").set("open", "boolean");
    bench.start({ maxLines: 60, maxAgeMs: 100 });
    let state = 12_345;
    const isOdd = (): boolean => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state / 2 ** 31 < 0.3;
    };
    const count = 400;
    for (let sent = 1; sent <= count; sent += 1) {
      const [odd, alsoOdd, oddToo] = [isOdd(), isOdd(), isOdd()];
      send({ temperature: odd ? "ERR" : 20.5, status: alsoOdd ? 3 : "ok", open: oddToo ? "yes" : true });
      if (sent % 10 === 0) await bench.time.advance(1000);
    }
    await bench.settled(3_600_000);
    bench.assertTakenOnce(count);
    assert.deepEqual(
      ["temperature", "temperature_num", "status", "status_text", "open", "open_flag"].map((name) =>
        types.get(name),
      ),
      ["float", undefined, "string", undefined, "boolean", undefined],
    );
  });
});
