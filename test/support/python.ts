/** Python programs beside a test that take lines of text and answer each with a line of JSON. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Why a test that needs these modules is skipped, or false: a test's option `skip`. */
export function withoutPython(modules: string, what: string): string | false {
  if (process.env["FLIGHTLINE_INTEROP"] !== "1") return `SKIPPED: set FLIGHTLINE_INTEROP=1 ${what}`;
  const found = spawnSync("python3", ["-c", `import ${modules}`]);
  if (found.status === 0) return false;
  return `SKIPPED: needs a python3 with ${modules} (scripts/interop brings one)`;
}

export interface Python {
  send(line: string): void;
  /** Fails when the program ends instead. */
  nextAnswer(): Promise<unknown>;
  /** Ends its standard input; the program has to end well by itself. */
  end(): Promise<void>;
}

export function startPython(program: string): Python {
  const child = spawn("python3", ["-B", program], { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    send: (line) => void child.stdin.write(`${line}\n`),
    async nextAnswer() {
      const line = await lines.next();
      assert.ok(line.done !== true, `${program} has ended`);
      return JSON.parse(line.value) as unknown;
    },
    async end() {
      child.stdin.end();
      assert.deepEqual(await closed, [0, null]);
    },
  };
}
