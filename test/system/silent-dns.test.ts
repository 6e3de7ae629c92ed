/** DNS that is silent, in a network of the test's own: commands and the daemon end when they should all the same. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { enterNamespace } from "../support/topologies-namespace.ts";
import { waitFor } from "../support/wait.ts";

const namespace = await enterNamespace(import.meta.filename);
const skip = typeof namespace === "string" ? namespace : false;
const main = join(import.meta.dirname, "../../src/main.ts");
const dns = createSocket("udp4");
const folder = mkdtempSync(join(tmpdir(), "flightline-dns-"));
const config = join(folder, "flightline.toml");
let questions = 0;

before(async () => {
  if (typeof namespace === "string") return;
  dns.on("message", () => {
    questions += 1;
  });
  dns.bind(53, "127.0.0.1");
  await once(dns, "listening");
  // As a usual resolv.conf with three servers: half a minute.
  writeFileSync(
    join(namespace.folder, "resolv.conf"),
    "nameserver 127.0.0.1\noptions timeout:10 attempts:4\n",
  );
  writeFileSync(
    config,
    `node = "test"
[[mqtt]]
url = "mqtt://broker.example"
[journal]
dir = "${folder}/data"
[influxdb]
url = "http://influx.example:8181"
database = "lorawan"
token = "x"
`,
  );
});

after(() => {
  if (skip === false) dns.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  /** From the signal, or from the start, to the end of the process. */
  readonly ms: number;
  readonly said: string;
}

/** Runs it to its end; `until`: it gets `signal` as soon as that holds. */
async function run(args: readonly string[], interrupt?: NodeJS.Signals): Promise<Ended> {
  const asked = questions;
  let startedMs = performance.now();
  const child = spawn(process.execPath, [main, ...args, "--config", config], {
    env: { ...process.env, XDG_RUNTIME_DIR: folder },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const closed = once(child, "close");
  if (interrupt !== undefined) {
    await waitFor(() => questions > asked, { timeoutMs: 15_000, what: "a question to DNS" });
    startedMs = performance.now();
    child.kill(interrupt);
  }
  const [code] = (await closed) as [number | null];
  return { code, ms: performance.now() - startedMs, said };
}

test("doctor ends with its verdict, and with code 1", { skip }, async () => {
  const { code, ms, said } = await run(["doctor"]);
  assert.equal(code, 1, said);
  assert.match(said, /no DNS server answers/);
  assert.match(said, /\d failures? \(.* s\)/, "all of it was printed");
  assert.ok(ms < 20_000, `it took ${ms} ms`);
});

test("doctor, interrupted, ends at once", { skip }, async () => {
  const { code, ms, said } = await run(["doctor"], "SIGINT");
  assert.equal(code, 1);
  assert.match(said, /interrupted/);
  assert.ok(ms < 3000, `it took ${ms} ms`);
});

test("a query, interrupted, ends at once", { skip }, async () => {
  const { code, ms, said } = await run(["query", "SELECT 1"], "SIGINT");
  assert.equal(code, 1, said);
  assert.ok(ms < 3000, `it took ${ms} ms`);
});

test("the daemon stops with 0 long before systemd would kill it", { skip }, async () => {
  const { code, ms, said } = await run(["run"], "SIGTERM");
  assert.equal(code, 0, said);
  assert.match(said, /stopped/);
  assert.ok(ms < 12_000, `it took ${ms} ms`);
});
