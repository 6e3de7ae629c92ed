import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../support/wait.ts";

const endNow = JSON.stringify(join(import.meta.dirname, "../../../src/supervision/end-now.ts"));

test("a process ends with its code, whatever its threads wait for", async () => {
  await using folder = await temporaryFolder("end");
  const fifo = join(folder.path, "fifo");
  spawnSync("mkfifo", [fifo]);
  const end = (how: string): { status: number | null; stdout: string } => {
    const program = `
      import { open } from "node:fs";
      import { endNow } from ${endNow};
      open(${JSON.stringify(fifo)}, "r", () => {});
      process.stdout.write("said\\n");
      setTimeout(() => { ${how} process.exit(3); }, 50);`;
    return spawnSync(process.execPath, ["--input-type=module-typescript", "-e", program], {
      timeout: 3000,
      killSignal: "SIGKILL",
      encoding: "utf8",
    });
  };
  // Nobody opens the other end, and a thread of Node's waits for that.
  assert.equal(end("").status, null, "without it Node waits");
  const { status, stdout } = end('process.on("exit", endNow);');
  assert.deepEqual({ status, stdout }, { status: 3, stdout: "said\n" });
});
