/**
 * The runner of our tests, run on planted test files: what it counts, and what it does not let pass.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { waitFor } from "../../support/wait.ts";

const runner = join(import.meta.dirname, "../../support/run.ts");

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly lastLine: string;
}

/** Writes one test file for each text and runs them as scripts/test does. */
async function runPlanted(t: TestContext, texts: readonly string[], ...options: string[]): Promise<Outcome> {
  const dir = mkdtempSync(join(tmpdir(), "planted-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const files = texts.map((text, index) => {
    const file = join(dir, `planted-${index}.test.ts`);
    writeFileSync(file, `import { test, describe } from "node:test";\n${text}\n`);
    return file;
  });
  const child = spawn(process.execPath, [runner, ...options, "--", ...files], { cwd: dir });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve).on("error", reject);
  });
  return { code, output, lastLine: output.trimEnd().split("\n").at(-1) ?? "" };
}

/** A process that nobody has waited for yet keeps its number, but has no command line any more. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

describe("the test runner", { concurrency: true }, () => {
  test("counts what passed, failed and was skipped, and repeats the failures with their place", async (t) => {
    const outcome = await runPlanted(t, [
      `test("one", () => {}); describe("outer", () => { describe("inner", () => { test("two", () => {}); }); });`,
      `describe("outer", () => { test("three", () => { throw new Error("planted"); }); });
       test("four", { skip: "no broker here" }, () => {});
       test("five", async (t) => { await t.test("six", () => { throw new Error("below"); }); });`,
    ]);
    assert.equal(outcome.code, 1);
    assert.equal(outcome.lastLine, "2 passed, 2 failed, 1 skipped");
    assert.equal(outcome.output.match(/✗ .*outer › three\n\s+Error: planted/g)?.length, 2);
    assert.match(outcome.output, /✗ .*five › six/);
    assert.match(outcome.output, /four: no broker here/);
  });

  test("is green when all is well", async (t) => {
    const outcome = await runPlanted(t, [`test("one", () => {});`]);
    assert.deepEqual([outcome.code, outcome.lastLine], [0, "1 passed, 0 failed, 0 skipped"]);
  });

  test("a run without files, and a file without tests, are failures", async (t) => {
    const none = await runPlanted(t, []);
    assert.deepEqual([none.code, none.lastLine], [1, "0 passed, 1 failed, 0 skipped"]);
    const empty = await runPlanted(t, ["export {};", `test("one", () => {});`]);
    assert.deepEqual([empty.code, empty.lastLine], [1, "1 passed, 1 failed, 0 skipped"]);
    assert.match(empty.output, /✗ planted-0\.test\.ts\n\s+the file has no test in it/);
  });

  test("by name, only what has it counts, and a name that no test has is a failure", async (t) => {
    const texts = [`test("one", () => {});`, `test("two", () => {}); test("three", () => {});`];
    const two = await runPlanted(t, texts, "--name=two");
    assert.deepEqual([two.code, two.lastLine], [0, "1 passed, 0 failed, 0 skipped"]);
    const four = await runPlanted(t, texts, "--name=four");
    assert.deepEqual([four.code, four.lastLine], [1, "0 passed, 1 failed, 0 skipped"]);
    assert.match(four.output, /no test was seen/);
  });

  test("a file that throws while loading, or after its last test, has failed", async (t) => {
    const outcome = await runPlanted(t, [
      `throw new Error("while loading");`,
      `test("one", () => { setTimeout(() => { throw new Error("too late"); }, 20); });`,
    ]);
    assert.deepEqual([outcome.code, outcome.lastLine], [1, "1 passed, 2 failed, 0 skipped"]);
    assert.match(outcome.output, /while loading/);
    assert.match(outcome.output, /too late/);
  });

  test("a promise instead of a test is a failure", async (t) => {
    const outcome = await runPlanted(t, [`test("one", { todo: true }, () => {});`]);
    assert.deepEqual([outcome.code, outcome.lastLine], [1, "0 passed, 1 failed, 0 skipped"]);
  });

  test("a file that does not end is killed and has failed, whether it waits or spins", async (t) => {
    const outcome = await runPlanted(
      t,
      [`test("one", () => { setInterval(() => {}, 1000); });`, `test("two", () => { for (;;); });`],
      "--deadline=1.5",
    );
    assert.equal(outcome.code, 1);
    assert.match(outcome.output, /✗ planted-0\.test\.ts\n\s+it had not ended after 1\.5 s/);
    assert.match(outcome.output, /✗ planted-1\.test\.ts\n\s+it had not ended after 1\.5 s/);
  });

  test("a process or a file that is left behind is a failure, and cleared away", async (t) => {
    const outcome = await runPlanted(t, [
      `import { spawn } from "node:child_process"; import { mkdtempSync } from "node:fs";
       import { tmpdir } from "node:os"; import { join } from "node:path";
       test("one", () => {
         const left = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
         left.unref();
         console.log("left " + left.pid + " in " + mkdtempSync(join(tmpdir(), "left-")));
         throw new Error("so that the output is shown");
       });`,
    ]);
    assert.equal(outcome.lastLine, "0 passed, 3 failed, 0 skipped");
    assert.match(outcome.output, /temporary files were left behind\n\s+left-/);
    const pid = Number(/process (\d+) was left running\n\s+sleep 60/.exec(outcome.output)?.[1]);
    assert.equal(Number(/left (\d+) in/.exec(outcome.output)?.[1]), pid);
    await waitFor(() => !isRunning(pid), { what: "the end of the process that was left" });
  });

  test("a failed gate counts as a failure", async (t) => {
    const outcome = await runPlanted(t, [`test("one", () => {});`], "--failed-gate=lint");
    assert.deepEqual([outcome.code, outcome.lastLine], [1, "1 passed, 1 failed, 0 skipped"]);
  });
});
