/**
 * Errors on every road out of a part, with the part that `runningPart` names in the handlers of
 * uncaughtException and unhandledRejection: one JSON line each.
 */
import { EventEmitter } from "node:events";
import { connect } from "node:net";
import { setTimeout as later } from "node:timers/promises";
import { aborted } from "../../../src/lib/abort.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { ChildRun, runningPart } from "../../../src/supervision/child-run.ts";
import { child } from "./fixture.ts";

function say(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  process.stdout.write(`${JSON.stringify([text.split(" ")[0], runningPart() ?? "none"])}\n`);
}
process.on("uncaughtException", say);
process.on("unhandledRejection", say);

const emitter = new EventEmitter();
let rejectOfA: (error: Error) => void = () => {};
const fail = (what: string) => (): never => {
  throw new Error(what);
};

const a = child("a", {
  run: async ({ drain, abort }) => {
    setTimeout(fail("timer"), 1);
    setImmediate(fail("immediate"));
    process.nextTick(fail("tick"));
    queueMicrotask(fail("microtask"));
    void Promise.reject(new Error("rejection"));
    void later(1).then(fail("continuation"));
    connect(1, "127.0.0.1");
    emitter.on("from-outside", fail("listener"));
    void new Promise<never>((_, reject) => {
      rejectOfA = reject;
    });
    abort.addEventListener("abort", fail("abort-listener"));
    await aborted(drain);
  },
});
const b = child("b", {
  run: async ({ drain }) => {
    rejectOfA(new Error("promise-of-a"));
    await aborted(drain);
  },
});
const runs = [a, b].map((one) => ChildRun.start(one, systemClock));
setTimeout(() => emitter.emit("from-outside"), 1);
await later(100);
for (const run of runs) run.abort();
await Promise.all(runs.map(async ({ done }) => await done));
