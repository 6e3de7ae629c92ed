import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { runningPart } from "../../../src/supervision/child-run.ts";
import { child, scene } from "./fixture.ts";

test("an error that nobody catches is attributed to the part that it comes from", async () => {
  const program = join(import.meta.dirname, "running-part-process.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 20_000 });
  const lines = stdout.trim().split("\n");
  const named = Object.fromEntries(lines.map((line) => JSON.parse(line) as [string, string]));
  assert.deepEqual(named, {
    timer: "a",
    immediate: "a",
    tick: "a",
    microtask: "a",
    rejection: "a",
    continuation: "a",
    connect: "a",
    "abort-listener": "a",
    // The two that are known to go astray: whoever emits, and whoever rejects.
    listener: "none",
    "promise-of-a": "b",
  });
});

test("each part sees its own name, also after an await, and the supervisor none", async (t) => {
  const seen: (string | undefined)[] = [];
  const look = async (): Promise<void> => {
    seen.push(runningPart());
    await Promise.resolve();
    seen.push(runningPart());
  };
  const names = ["a", "b"].map((name) => child(name, { run: look, restart: "temporary" }));
  const { time, end } = scene(t, [names]);
  await time.settle();
  assert.deepEqual(seen, ["a", "b", "a", "b"]);
  assert.equal(runningPart(), undefined);
  await end();
});
