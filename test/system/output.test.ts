/** What a command prints reaches whoever reads it, however slowly. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { standsStill, unreadPipe } from "../support/full-pipe.ts";
import { site, type Site, uplink } from "../unit/cli/mapping-fixture.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");
const run = promisify(execFile);
/** The pipe itself takes 64 KiB. */
const moreThanAPipe = 200_000;

function wideSite(t: TestContext): Site {
  const keys = Array.from({ length: 1500 }, (_, index) => [`channel_${index}`, index] as const);
  return site(t, [uplink(0, Object.fromEntries(keys))]);
}

test("a long answer is whole in a pipe whose reader is slow", async (t) => {
  const { configFile } = wideSite(t);
  const command = `"$0" "$1" mapping show EM300-TH --json -c "$2" | { sleep 1; cat; }`;
  const args = ["-c", command, process.execPath, mainFile, configFile];
  const { stdout } = await run("/bin/sh", args, { maxBuffer: 16_000_000 });
  assert.ok(stdout.length > moreThanAPipe, `${stdout.length} characters`);
  assert.doesNotThrow(() => JSON.parse(stdout) as unknown);
});

test("a reader who goes early is no error", async (t) => {
  const { configFile } = wideSite(t);
  const command = `{ "$0" "$1" mapping show EM300-TH --json -c "$2"; echo "$?" >&2; } | head -c 10`;
  const args = ["-c", command, process.execPath, mainFile, configFile];
  const { stdout, stderr } = await run("/bin/sh", args);
  assert.equal(stdout.length, 10);
  assert.equal(stderr, "0\n");
});

test("a reader who stands still keeps nobody at SIGTERM, and what is cut is no success", async (t) => {
  const { configFile } = wideSite(t);
  const args = [mainFile, "mapping", "show", "EM300-TH", "--json", "-c", configFile];
  const child = spawn(process.execPath, args, { stdio: ["ignore", unreadPipe(t), "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  assert.ok(child.pid !== undefined);
  await standsStill(child.pid);
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [1, null]);
});
