import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { type DatabaseAsker, DatabaseGate } from "../../../src/pipeline/database-first.ts";
import { ScriptedWriter } from "../../support/fakes/scripted-writer.ts";

type Outcome = Awaited<ReturnType<DatabaseAsker["ensureDatabase"]>>;

const fault = new Fault({ code: "x", layer: "write", disposition: "retry", message: "x" });
const retry: Outcome = { kind: "retry", afterMs: 5, fault };
const ready: Outcome = { kind: "ready" };
const refused: Outcome = { kind: "refused", fault };
const never = new AbortController().signal;

/** Two writers of one database, with askers that give their answers in turn, the last one again and again. */
function setUp(...answersOf: readonly (readonly Outcome[])[]) {
  const gate = new DatabaseGate();
  /** Who was asked, in order. */
  const asked: number[] = [];
  /** Who was told of a refusal. */
  const told: number[] = [];
  for (const [index, answers] of answersOf.entries()) {
    let count = 0;
    const asker: DatabaseAsker = {
      async ensureDatabase(signal) {
        asked.push(index);
        const answer = answers[Math.min(count, answers.length - 1)];
        count += 1;
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        assert.ok(answer !== undefined, "a bug");
        return answer;
      },
    };
    gate.add(asker, () => told.push(index));
  }
  const inner = new ScriptedWriter();
  const written = (): string[] => inner.writes.map(({ lines }) => lines);
  return { first: gate.before(inner), second: gate.before(inner), asked, told, written };
}

test("no line of anybody is written before the database is there, and it is asked for once", async () => {
  const { first, second, asked, written } = setUp([retry, ready]);
  assert.deepEqual(await Promise.all([first.write("a", never), second.write("b", never)]), [retry, retry]);
  assert.deepEqual([written(), asked.length], [[], 1], "several writes at once ask once");
  await Promise.all([second.write("b", never), first.write("a", never)]);
  await first.write("c", never);
  assert.deepEqual([written(), asked.length], [["b", "a", "c"], 2]);
});

test("without anybody who says a retention lines are written at once", async () => {
  const { first, written } = setUp();
  assert.deepEqual(await first.write("a", never), { kind: "delivered" });
  assert.deepEqual(written(), ["a"]);
});

test("who was added first is asked first, and the next one only after a refusal", async () => {
  const { first, asked, told, written } = setUp([refused], [retry, ready], [ready]);
  assert.deepEqual(await first.write("a", never), retry);
  assert.deepEqual(await first.write("a", never), { kind: "delivered" });
  assert.deepEqual([asked, told, written()], [[0, 1, 0, 1], [], ["a"]]);
});

test("when everybody is refused, that is said once, and writes go on", async () => {
  const { first, second, asked, told, written } = setUp([refused], [refused]);
  await Promise.all([first.write("a", never), second.write("b", never)]);
  await first.write("c", never);
  assert.deepEqual([asked, told, written()], [[0, 1], [0], ["a", "b", "c"]]);
});

test("who stops while he asks rejects with his reason, which is no answer for the others", async () => {
  const { first, second, asked, written } = setUp([ready]);
  const stop = new AbortController();
  const stopped = first.write("a", stop.signal);
  const other = second.write("b", never);
  stop.abort(new Error("stop"));
  await assert.rejects(stopped, /stop/);
  assert.deepEqual(await other, { kind: "delivered" });
  assert.deepEqual([written(), asked.length], [["b"], 2]);
});

test("who stops while another one asks writes nothing", async () => {
  const { first, second, written } = setUp([ready]);
  const stop = new AbortController();
  const other = first.write("a", never);
  const stopped = second.write("b", stop.signal);
  stop.abort(new Error("stop"));
  await assert.rejects(stopped, /stop/);
  await other;
  assert.deepEqual(written(), ["a"]);
});

test("a bug of an asker is no answer: whoever waits hears of it", async () => {
  const { first, second, written } = setUp([]);
  for (const outcome of await Promise.allSettled([first.write("a", never), second.write("b", never)])) {
    assert.ok(outcome.status === "rejected");
    assert.match(String(outcome.reason), /a bug/);
  }
  assert.deepEqual(written(), []);
});
