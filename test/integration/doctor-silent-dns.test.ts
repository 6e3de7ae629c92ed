/** Names that no DNS server answers for, beside a broker that is well: a name server of the test's own says nothing. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Shown } from "../../src/doctor/verdict.ts";
import { startBroker } from "../../src/sandbox/broker.ts";
import { temporaryFolder } from "../support/wait.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const nameServer = "127.0.0.77";

/** False, and the test skipped: that takes root, a mount namespace and a free port 53. */
async function nobodyAnswers(t: TestContext): Promise<boolean> {
  try {
    execFileSync("unshare", ["--mount", "true"], { stdio: "ignore" });
    const socket = createSocket("udp4");
    await new Promise<void>((bound, failed) => {
      socket.once("error", failed).bind(53, nameServer, bound);
    });
    t.after(() => socket.close());
    return true;
  } catch {
    t.skip("needs root, unshare(1) and a free port 53");
    return false;
  }
}

test("lookups that hang do not keep the broker on this machine waiting", async (t) => {
  if (!(await nobodyAnswers(t))) return;
  const broker = await startBroker({ port: 0 });
  t.after(() => broker.stop());
  const folder = await temporaryFolder("doctor");
  t.after(() => folder.remove());
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("resolv.conf"), `nameserver ${nameServer}\noptions timeout:20\n`);
  const dead = ["a", "b", "c"].map((host) => `[[mqtt]]\nname = "${host}"\nurl = "mqtt://${host}.example"\n`);
  const config = `
    ${dead.join("")}
    [[mqtt]]
    name = "here"
    url = "mqtt://localhost:${broker.port}"
    [journal]
    dir = "${at("data")}"
    [influxdb]
    url = "http://influx.example:8181"
    flight_url = "http://flight.example:8181"
    database = "farm"`;
  await writeFile(at("flightline.toml"), config);
  const script = 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"';
  const command = [process.execPath, main, "doctor", "--json", "-c", at("flightline.toml")];
  const env = { ...process.env, UV_THREADPOOL_SIZE: undefined };
  const out = await new Promise<string>((said) => {
    const args = ["--mount", "/bin/sh", "-c", script, "sh", at("resolv.conf"), ...command];
    execFile("unshare", args, { env, timeout: 60_000 }, (_error, stdout) => said(stdout));
  });
  const { findings } = JSON.parse(out) as { readonly findings: readonly Shown[] };
  const of = (check: string): string | undefined => findings.find((one) => one.check === check)?.severity;
  assert.deepEqual([of("broker.a.name"), of("influxdb.main.name")], ["failure", "failure"], out);
  assert.deepEqual([of("broker.here.connect"), of("broker.here.session")], ["ok", "ok"], out);
});
