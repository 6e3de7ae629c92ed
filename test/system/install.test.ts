/** scripts/install and scripts/uninstall on a real systemd: from somebody's checkout to a service that is well, and back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInMachine } from "../support/machine.ts";

/** In MB of 1,000,000 bytes, as in memory.test.ts. */
const limitMb = 110;
const readyLimitMs = 1500;

test("a checkout is installed as a service", async (t) => {
  const machine = await runInMachine(t, {
    command: ["bash", "test/support/install-probe.sh", process.execPath],
    timeoutMs: 150_000,
  });
  if (machine === undefined) return;
  assert.equal(machine.exitCode, 0, `${machine.output}\n${machine.result("install")}\n${machine.journal}`);
  const read = (name: string): string => machine.result(name) ?? assert.fail(`no ${name}`);
  const lines = (name: string): string[] => read(name).trimEnd().split("\n");

  await t.test("it puts the program in place, without what only builds, tests or tries it", () => {
    const files = new Set(lines("files"));
    const program = "/usr/lib/flightline";
    for (const name of ["bin/node", "dist/main.js", "config/flightline.toml", "package.json"])
      assert.ok(files.has(`${program}/${name}`), name);
    for (const name of ["better-sqlite3", "koffi", "mqtt", "apache-arrow"])
      assert.ok(files.has(`${program}/node_modules/${name}`), name);
    for (const name of ["typescript", "knip", "fast-check", "aedes", "@duckdb"])
      assert.ok(!files.has(`${program}/node_modules/${name}`), name);
    assert.match(read("command"), /^\d+\.\d+\.\d+\n$/);
  });

  await t.test("the program is root's, and the configuration for the group alone", () => {
    assert.deepEqual(lines("modes"), [
      "root root 755 /etc/flightline",
      "root flightline 640 /etc/flightline/flightline.toml",
      "root root 755 /usr/lib/flightline",
      "root root 755 /usr/lib/flightline/dist/main.js",
      "root root 755 /usr/bin/flightline",
      "root root 644 /usr/lib/systemd/system/flightline.service",
    ]);
  });

  await t.test("it builds as the owner of the checkout", () => {
    assert.equal(read("builder"), "builder\n");
  });

  await t.test("the growing delay is there where systemd knows it", () => {
    const version = Number(/^systemd (\d+)/.exec(read("version"))?.[1]);
    const delay = "/usr/lib/systemd/system/flightline.service.d/growing-delay.conf";
    assert.equal(lines("files").includes(delay), version >= 254);
  });

  await t.test("it starts nothing unasked, and says what comes next", () => {
    assert.equal(read("untouched"), "disabled\ninactive\n");
    assert.match(read("install"), /Next:\n(.*\n)*.*systemctl enable --now flightline/);
  });

  await t.test("started with the shipped configuration it is ready in time, and well", () => {
    const readyMs = (Number(read("active-us")) - Number(read("started-us"))) / 1000;
    t.diagnostic(`ready after ${readyMs.toFixed(0)} ms; ${read("status-text").trim()}`);
    assert.ok(readyMs > 0 && readyMs < readyLimitMs, `${readyMs} ms`);
    assert.match(read("status-text"), /^1 of 1 brokers, InfluxDB up, /);
    assert.match(read("status"), /^Flightline is well\.\n/);
    assert.match(read("status"), /systemd +told through libsystemd, watchdog 1 min\n/);
  });

  await t.test("at rest under systemd it has less than 110 MB resident", () => {
    const residentMb = (Number(/(\d+) kB/.exec(read("resident"))?.[1]) * 1024) / 1e6;
    t.diagnostic(`${residentMb.toFixed(1)} MB resident`);
    assert.ok(residentMb > 0 && residentMb < limitMb, `${residentMb} MB`);
  });

  await t.test("its status is for members of its group", () => {
    assert.match(read("stranger"), /control_forbidden[^]*usermod -aG flightline[^]*exit 1\n$/);
    assert.match(read("member"), /^Flightline is well\.\n/);
  });

  await t.test("an update leaves the running daemon and the configuration alone, and says so", () => {
    const [before, after, state] = read("after-update").trim().split(" ");
    assert.equal(after, before);
    assert.equal(state, "active");
    assert.match(read("update"), /flightline\.toml: left as it is/);
    assert.match(read("update"), /runs on as it was.*\n.*systemctl restart flightline/);
    assert.equal(read("restarts"), "0\n");
    assert.equal(read("own-line"), "# mine\n");
  });

  await t.test("a reload, good or bad, keeps the process and its MQTT session", () => {
    assert.equal(read("connections"), "1\n");
  });

  await t.test("a build that fails leaves the program that is there", () => {
    assert.match(read("broken"), /TS2322[^]*exit \d+\n$/);
    assert.equal(read("after-broken"), `${read("command")}/usr/lib/flightline\n`);
  });

  await t.test("--start says why the service does not start", () => {
    assert.match(read("misconfigured"), /bad\.toml[^]*nonsense[^]*the service does not start[^]*exit 1\n$/);
  });

  await t.test("it refuses what it does not know, and whoever is not root", () => {
    assert.match(read("refused"), /unknown: --nonsense\nexit 1\n[^]*as root: sudo[^\n]*\nexit 1\n$/);
  });

  await t.test("removed, it leaves configuration and journal; put back with --start, it runs", () => {
    const kept = lines("kept");
    assert.ok(kept.includes("/etc/flightline/flightline.toml"));
    assert.ok(kept.includes("/var/lib/flightline/journal.db"));
    assert.deepEqual(
      kept.filter((path) => path.startsWith("/usr/")),
      [],
    );
    assert.equal(read("started-again"), "enabled\nactive\n");
  });

  await t.test("--purge leaves nothing", () => {
    assert.equal(read("left"), "");
  });
});
