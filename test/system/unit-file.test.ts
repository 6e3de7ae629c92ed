/** systemd/flightline.service on a real systemd: what it says of the unit, and what the unit lets a daemon do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInMachine } from "../support/machine.ts";

interface Report {
  readonly way: string;
  readonly isRestarted: boolean;
  readonly uid: number;
  readonly interfaces: readonly string[];
  readonly bootId: string;
  readonly clock: boolean | null;
  readonly journal: string;
  readonly credentials: Readonly<Record<string, string>>;
  readonly writeElsewhere: string;
  readonly child: string;
  readonly quickCheck: string;
  readonly units: readonly { name: string; role: string; activeState: string; restarts: number }[];
}

test("the shipped unit", async (t) => {
  const machine = await runInMachine(t, {
    command: ["bash", "test/support/unit-probe.sh", process.execPath],
    timeoutMs: 60_000,
  });
  if (machine === undefined) return;
  assert.equal(machine.exitCode, 0, `${machine.output}\n${machine.journal}`);
  const read = (name: string): string => machine.result(name) ?? assert.fail(`no ${name}`);
  const report = (name: string): Report => JSON.parse(read(name)) as Report;

  await t.test("systemd-analyze verify has nothing to say", () => {
    assert.equal(read("verify"), "");
  });

  await t.test("the growing delay is known to systemd 254, and two unknown keys before", () => {
    const version = Number(/^systemd (\d+)/.exec(read("version"))?.[1]);
    const unknown = [...read("verify-growing").matchAll(/Unknown key.*?'(\w+)'/g)].map(([, key]) => key);
    assert.deepEqual(unknown, version >= 254 ? [] : ["RestartSteps", "RestartMaxDelaySec"]);
  });

  await t.test("its exposure is 1.5 at most", () => {
    const exposure = Number(/exposure level for flightline\.service: ([\d.]+)/.exec(read("security"))?.[1]);
    assert.ok(exposure > 0 && exposure <= 1.5, read("security"));
    t.diagnostic(`exposure ${exposure}`);
  });

  await t.test("a daemon of its own user starts under it, and again after a kill", () => {
    assert.match(read("started"), /ActiveState=active/, machine.output);
    assert.match(read("restarted"), /ActiveState=active/);
    assert.match(read("restarted"), /NRestarts=1/);
    assert.equal(read("folders"), "flightline 700\nflightline 755\n");
    assert.notEqual(report("report-first.json").uid, 0);
  });

  await t.test("it lets the daemon do what it does", () => {
    const { way, interfaces, bootId, clock, journal, child, quickCheck } = report("report-first.json");
    assert.equal(way, "libsystemd");
    assert.deepEqual(interfaces, ["lo"]);
    assert.match(bootId, /^[0-9a-f-]{36}$/);
    assert.equal(typeof clock, "boolean", "the kernel's clock cannot be asked");
    assert.equal(journal, "committed");
    assert.equal(child, "42");
    assert.equal(quickCheck, "sound");
  });

  await t.test("it lets it write nowhere else", () => {
    assert.match(report("report-first.json").writeElsewhere, /EROFS|EACCES/);
  });

  await t.test("a secret of root's reaches the daemon, and an absent one is an empty file", () => {
    const { credentials } = report("report-first.json");
    assert.deepEqual(credentials, { "influxdb-token": "s3cret\n", "mqtt-password": "\n" });
  });

  await t.test("the decode marker outlives a restart", () => {
    assert.equal(report("report-first.json").isRestarted, false);
    assert.equal(report("report-second.json").isRestarted, true);
  });

  await t.test("the daemon reads its own unit, restarts counted", () => {
    const own = (name: string) => report(name).units.find(({ role }) => role === "own");
    assert.equal(own("report-first.json")?.name, "flightline.service");
    assert.equal(own("report-first.json")?.restarts, 0);
    assert.equal(own("report-second.json")?.restarts, 1);
  });

  await t.test("the doctor finds nothing against it, whoever asks", () => {
    for (const name of ["doctor-started", "doctor-user"]) {
      const said = read(name);
      assert.match(said, /^ok systemd\.unit: flightline\.service is active for .*, never restarted$/m);
      assert.match(said, /^ok systemd\.notify: Type=notify, NotifyAccess=main$/m);
      assert.match(said, /^ok systemd\.watchdog: a daemon that is stuck is killed after 1min$/m);
      assert.match(said, /^ok systemd\.restart: /m);
      assert.match(
        said,
        /^ok systemd\.settings: user flightline, 512\.0 MiB of memory, drop-ins: test\.conf$/m,
      );
      assert.match(said, /^ok systemd\.directory: \/var\/lib\/flightline: StateDirectory= /m);
      const elsewhere = /^(?:\w+ systemd\.(?:clock|neighbour)|warning systemd\.enabled)/;
      const others = said.split("\n").filter((line) => line !== "" && !elsewhere.test(line));
      assert.ok(
        others.every((line) => line.startsWith("ok ")),
        said,
      );
    }
  });

  await t.test(
    "the doctor sees a restart, a bad configuration, and a directory that the unit may not write",
    () => {
      assert.match(read("doctor-restarted"), /^warning systemd\.unit: .*restarted once by systemd/m);
      assert.match(read("doctor-misconfigured"), /^failure systemd\.unit: .*mistakes \(exit status 78\)$/m);
      assert.match(
        read("doctor-elsewhere"),
        /^failure systemd\.directory: the unit may not write to \/srv\/journal \(ProtectSystem=strict\)$/m,
      );
    },
  );

  await t.test("a bad configuration, exit code 78, is not started again", () => {
    const shown = read("misconfigured");
    assert.match(shown, /ActiveState=failed/);
    assert.match(shown, /ExecMainStatus=78/);
    assert.match(shown, /NRestarts=0/);
  });
});
