import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Finding } from "../../../src/doctor/finding.ts";
import { judgeUnitDirectory } from "../../../src/doctor/systemd-directory.ts";
import { judgeSettings } from "../../../src/doctor/systemd-settings.ts";
import { pathList, parseShown, showUnit, spanMs } from "../../../src/doctor/systemd-show.ts";
import { judgeLoad, judgeNeighbours, judgeUnit, needsHere } from "../../../src/doctor/systemd-state.ts";
import { examineSystemd, judgeClock, type SystemdDeps } from "../../../src/doctor/systemd.ts";
import type { DaemonStatus, UnitStatus } from "../../../src/status/daemon-status.ts";
import type { Unit } from "../../../src/systemd/units.ts";
import { temporaryFolder } from "../../support/wait.ts";
import { daemonStatus } from "../status/fixture.ts";
import { recorded } from "./systemd-samples.ts";

const never = new AbortController().signal;
/** When the samples were recorded. */
const uptimeMs = 44_041_900;
const alone = { uptimeMs, daemonPid: undefined, starts: [] };

function severities(findings: readonly Finding[]): Record<string, string[]> {
  const groups = Map.groupBy(findings, ({ check }) => check);
  return Object.fromEntries([...groups].map(([check, of]) => [check, of.map(({ severity }) => severity)]));
}

function textOf(findings: readonly Finding[], pattern: RegExp): Finding {
  const found = findings.filter(({ text }) => pattern.test(text));
  assert.equal(found.length, 1, `${pattern} in ${findings.map(({ text }) => text).join("\n")}`);
  return found[0] ?? assert.fail();
}

describe("the settings", () => {
  test("that ship have nothing against them", () => {
    assert.deepEqual(severities(judgeSettings(recorded.active)), {
      "systemd.notify": ["ok"],
      "systemd.watchdog": ["ok"],
      "systemd.restart": ["ok"],
      "systemd.settings": ["ok"],
    });
    textOf(judgeSettings(recorded.active), /killed after 1min$/);
    textOf(judgeSettings(recorded.active), /^user flightline, 512\.0 MiB of memory, drop-ins: all\.conf$/);
  });

  test("each that a drop-in weakens is a warning with the line that cures it", () => {
    const findings = judgeSettings(recorded.weak);
    assert.ok(findings.every(({ severity }) => severity === "warning"));
    const cures: readonly (readonly [RegExp, RegExp])[] = [
      [/^Type=simple: /, /Type=notify$/],
      [/^no watchdog /, /WatchdogSec=60$/],
      [/^Restart=no: after any crash/, /Restart=always$/],
      [/^after 5 starts within 1min 30s systemd gives up/, /StartLimitIntervalSec=0$/],
      [/^KillMode=process: /, /KillMode=mixed$/],
      [/^OOMPolicy=stop: /, /OOMPolicy=continue$/],
      [/^MemoryMax= is 100\.0 MiB: /, /MemoryMax=512M$/],
      [/^it runs as root/, /User=flightline/],
      [
        /^NoNewPrivileges=no and ProtectSystem=no: .*\(all\.conf, weak\.conf\)/,
        /systemctl revert flightline/,
      ],
    ];
    for (const [text, hint] of cures) assert.match(textOf(findings, text).hint ?? "", hint);
    assert.equal(findings.length, cures.length);
  });

  test("a watchdog that nobody can ping is a failure, one that is hasty or endless a warning", () => {
    const of = (changes: Partial<typeof recorded.active>): string[] =>
      judgeSettings({ ...recorded.active, ...changes }).map(({ severity, text }) => `${severity}: ${text}`);
    assert.match(of({ NotifyAccess: "none" })[0] ?? "", /^failure: .*kills the daemon after 1min$/);
    assert.match(of({ NotifyAccess: "none", WatchdogUSec: "0" })[0] ?? "", /^warning: /);
    assert.match(of({ WatchdogUSec: "10s" })[1] ?? "", /^warning: .*one slow fsync/);
    assert.match(of({ WatchdogUSec: "1h" })[1] ?? "", /^warning: .*for that long$/);
    assert.match(of({ Type: "forking" })[0] ?? "", /^failure: /);
    assert.match(of({ TimeoutStopUSec: "5s" })[3] ?? "", /^warning: TimeoutStopSec= is 5s/);
    assert.match(of({ RestartPreventExitStatus: "" })[2] ?? "", /^warning: .*lacks 78/);
    assert.match(of({ DynamicUser: "yes" })[3] ?? "", /^warning: DynamicUser/);
  });

  test("the borders: half a minute to ten for the watchdog, 15 s for a stop, 256 MiB", () => {
    const of = (changes: Partial<typeof recorded.active>): Set<string> =>
      new Set(judgeSettings({ ...recorded.active, ...changes }).map(({ severity }) => severity));
    for (const WatchdogUSec of ["30s", "10min"]) assert.deepEqual(of({ WatchdogUSec }), new Set(["ok"]));
    for (const WatchdogUSec of ["29s", "10min 1s"]) assert.ok(of({ WatchdogUSec }).has("warning"));
    assert.deepEqual(of({ TimeoutStopUSec: "15s" }), new Set(["ok"]));
    assert.ok(of({ TimeoutStopUSec: "14s" }).has("warning"));
    assert.deepEqual(of({ MemoryMax: String(256 * 1024 * 1024) }), new Set(["ok"]));
    assert.ok(of({ MemoryMax: String(256 * 1024 * 1024 - 1) }).has("warning"));
  });

  test("are cured in the unit that has them, whatever its name", () => {
    const hints = judgeSettings({ ...recorded.weak, Id: "lora@a.service" }).map(({ hint = "" }) => hint);
    assert.ok(hints.length > 0);
    for (const hint of hints) assert.match(hint, /systemctl (?:edit|revert) lora@a\.service/);
  });

  test("the watchdog of a unit that was never started is not known, and not taken for none", () => {
    assert.equal(recorded.never.WatchdogUSec, "infinity");
    assert.deepEqual(severities(judgeSettings(recorded.never))["systemd.watchdog"], ["skipped"]);
    const started = { ...recorded.active, WatchdogUSec: "infinity" };
    assert.deepEqual(severities(judgeSettings(started))["systemd.watchdog"], ["warning"]);
  });
});

describe("the unit", () => {
  test("that runs is said to", () => {
    const findings = judgeUnit(recorded.active, alone);
    assert.deepEqual(severities(findings), { "systemd.unit": ["ok"] });
    assert.match(
      findings[0]?.text ?? "",
      /^flightline\.service is active for 7\.7 seconds, never restarted$/,
    );
  });

  test("that is not there, masked or broken is told apart", () => {
    assert.equal(judgeLoad(recorded.active, undefined), undefined);
    assert.deepEqual(judgeLoad(recorded.unknown, undefined)?.severity, "warning");
    assert.match(judgeLoad(recorded.masked, undefined)?.hint ?? "", /unmask/);
    assert.match(
      judgeLoad({ ...recorded.active, LoadState: "bad-setting" }, undefined)?.text ?? "",
      /bad-setting/,
    );
  });

  test("that is not there is none of our business where a daemon answers", () => {
    const { severity, text, hint } = judgeLoad(recorded.unknown, 4711) ?? assert.fail();
    assert.deepEqual([severity, hint], ["skipped", undefined]);
    assert.match(text, /the daemon that answers \(pid 4711\) was started by something else/);
    assert.equal(judgeLoad(recorded.masked, 4711)?.severity, "failure");
  });

  test("that waits for its restart is a failure with what ended it", () => {
    const [finding] = judgeUnit(recorded.waiting, alone);
    assert.equal(finding?.severity, "failure");
    assert.match(finding?.text ?? "", /ended \(signal, signal 9\) and waits for its 1st restart/);
  });

  test("that was restarted is a warning for a day, with what the daemon knows of its end", () => {
    const starts = [{ startedAtMs: 0, end: "crash", part: "journal", fault: undefined } as const];
    const [fresh] = judgeUnit(recorded.restarted, { ...alone, starts });
    assert.equal(fresh?.severity, "warning");
    assert.match(
      fresh?.text ?? "",
      /restarted once by systemd .*; the run before crashed in the part journal$/,
    );
    const [old] = judgeUnit(recorded.restarted, { ...alone, uptimeMs: uptimeMs + 25 * 3_600_000 });
    assert.equal(old?.severity, "ok");
  });

  test("that ended with 78 sends to the configuration, one that was started too often to its log", () => {
    const [bad] = judgeUnit(recorded.misconfigured, alone);
    assert.equal(bad?.severity, "failure");
    assert.match(bad?.hint ?? "", /^sudo flightline check/);
    const often = { ...recorded.misconfigured, Result: "start-limit-hit", ExecMainStatus: "1" };
    assert.match(judgeUnit(often, alone)[0]?.hint ?? "", /reset-failed/);
    const watchdog = {
      ...recorded.misconfigured,
      Result: "watchdog",
      ExecMainCode: "2",
      ExecMainStatus: "6",
    };
    assert.match(judgeUnit(watchdog, alone)[0]?.text ?? "", /\(watchdog, signal 6\)$/);
  });

  test("that is stopped, disabled, or not the daemon that answers is a warning", () => {
    const stopped = judgeUnit(recorded.never, alone);
    assert.deepEqual(severities(stopped), { "systemd.unit": ["warning"], "systemd.enabled": ["warning"] });
    const byHand = judgeUnit(recorded.never, { ...alone, daemonPid: 4711 });
    assert.match(byHand[0]?.text ?? "", /pid 4711\) was started by hand$/);
    assert.match(
      judgeUnit(recorded.active, { ...alone, daemonPid: 4711 })[0]?.text ?? "",
      /is another one, pid 4711/,
    );
    const same = { ...alone, daemonPid: Number(recorded.active.MainPID) };
    assert.equal(judgeUnit(recorded.active, same)[0]?.severity, "ok");
  });

  test("whose files have changed says that systemd must read them", () => {
    const findings = judgeUnit({ ...recorded.active, NeedDaemonReload: "yes" }, alone);
    assert.deepEqual(severities(findings), { "systemd.unit": ["ok"], "systemd.files": ["warning"] });
  });
});

describe("the directory of the journal", () => {
  const judged = (changes: Partial<typeof recorded.active>, dataDir: string, owner?: string): string => {
    const {
      severity,
      text,
      hint = "",
    } = judgeUnitDirectory({ ...recorded.active, ...changes }, { dataDir, owner });
    return `${severity}: ${text}; ${hint}`;
  };

  test("is the StateDirectory= of the unit, whoever has it now", () => {
    assert.match(judged({}, "/var/lib/flightline"), /^ok: .*gives it to the user flightline/);
    assert.match(judged({}, "/var/lib/flightline", "root"), /^ok: /);
  });

  test("elsewhere must be open to the unit, and belong to its user", () => {
    assert.match(
      judged({}, "/srv/journal", "flightline"),
      /^failure: .*may not write.*ReadWritePaths=\/srv\/journal$/,
    );
    const open = { ReadWritePaths: recorded.weak.ReadWritePaths };
    assert.match(judged(open, "/srv/journal/a", "flightline"), /^ok: /);
    assert.match(judged(open, "/srv/with space", "flightline"), /^ok: /);
    assert.match(
      judged(open, "/srv/maybe", "root"),
      /^failure: .*belongs to root, and the unit runs as flightline/,
    );
    assert.match(judged(open, "/srv/maybe"), /^warning: .*install -d -m 750 -o flightline/);
    assert.match(judged(open, "/srv/journalist", "flightline"), /^failure: .*may not write/);
    assert.match(judged({ ProtectSystem: "full" }, "/srv/x", "flightline"), /^ok: /);
    assert.match(judged({ ProtectSystem: "full" }, "/etc/x", "flightline"), /^failure: /);
  });

  test("belongs to a user that the unit names by number, too", () => {
    const unit = { ...recorded.active, User: "999", ReadWritePaths: "/srv" };
    const place = { dataDir: "/srv/a", owner: "flightline" };
    assert.equal(judgeUnitDirectory(unit, { ...place, ownerId: 999 }).severity, "ok");
    assert.equal(judgeUnitDirectory(unit, { ...place, ownerId: 998 }).severity, "failure");
  });

  test("is never where the unit cannot see it", () => {
    const open = { ReadWritePaths: "/home/pi/data /tmp/data" };
    for (const dir of ["/home/pi/data", "/root/data", "/run/user/1000/data"])
      for (const ProtectHome of ["yes", "tmpfs"])
        assert.match(judged({ ...open, ProtectHome }, dir, "flightline"), /^failure: .*\(ProtectHome=/, dir);
    assert.match(judged(open, "/homes/data", "flightline"), /^failure: .*\(ProtectSystem=strict\)/);
    assert.match(judged(open, "/tmp/data", "flightline"), /^failure: .*PrivateTmp=yes/);
    assert.match(judged(open, "/var/tmp/data", "flightline"), /^failure: .*PrivateTmp=yes/);
    assert.match(judged({ ...open, PrivateTmp: "no" }, "/tmp/data", "flightline"), /^ok: /);
    const hidden = { ReadWritePaths: "/srv/a/b", InaccessiblePaths: "-/srv/a" };
    assert.match(
      judged(hidden, "/srv/a/b", "flightline"),
      /^failure: the unit does not see \/srv\/a\/b \(InaccessiblePaths=\/srv\/a\)/,
    );
  });

  test("is where a mount brings it to what the unit has for itself", () => {
    const bound = { ProtectHome: "tmpfs", BindPaths: "/home/pi/data:/home/pi/data:rbind" };
    assert.match(judged(bound, "/home/pi/data", "flightline"), /^ok: /);
    assert.match(judged(bound, "/home/pi/other", "flightline"), /^failure: /);
    assert.match(judged({ ...bound, ProtectHome: "yes" }, "/home/pi/data", "flightline"), /^failure: /);
  });

  test("among homes that are only read it needs to be opened; without their protection it is open", () => {
    const dir = "/home/pi/flightline";
    const ProtectHome = "read-only";
    assert.match(
      judged({ ProtectHome }, dir, "flightline"),
      /^failure: .*may not write.*\(ProtectHome=read-only\).*ReadWritePaths=\/home\/pi\/flightline$/,
    );
    assert.match(judged({ ProtectHome, ReadWritePaths: dir }, dir, "flightline"), /^ok: /);
    assert.match(judged({ ProtectHome: "no" }, dir, "flightline"), /^ok: /);
  });

  test("is judged by the innermost path that a setting names, and of one path by the strictest", () => {
    const loose = { ProtectSystem: "no" };
    const outer = { ...loose, ReadOnlyPaths: "/srv", ReadWritePaths: "/srv/a" };
    assert.match(judged(outer, "/srv/a/b", "flightline"), /^ok: /);
    assert.match(judged(outer, "/srv/b", "flightline"), /^failure: .*\(ReadOnlyPaths=\/srv\)/);
    const inner = { ...loose, ReadOnlyPaths: "/srv/a", ReadWritePaths: "/srv" };
    assert.match(judged(inner, "/srv/a/b", "flightline"), /^failure: .*ReadWritePaths=\/srv\/a\/b$/);
    const same = { ReadOnlyPaths: "/srv/a", ReadWritePaths: "/srv/a" };
    assert.match(judged(same, "/srv/a", "flightline"), /^failure: .*take that path out/);
    assert.match(judged({ ...loose, ReadOnlyPaths: "/" }, "/home/a", "flightline"), /^failure: /);
  });

  test("may be any of the directories that systemd makes for the unit", () => {
    assert.match(
      judged({ CacheDirectory: "lora" }, "/var/cache/lora/data", "root"),
      /^ok: .*CacheDirectory= gives/,
    );
    assert.match(judged({}, "/var/cache/lora", "flightline"), /^failure: /);
  });

  test("is where its symbolic links lead, and so are the paths of the settings", () => {
    const unit = { ...recorded.active, ReadWritePaths: "/mnt/ssd" };
    const at = (dataDir: string, links: Record<string, string>): string =>
      judgeUnitDirectory(unit, {
        dataDir,
        owner: "flightline",
        realPaths: new Map(Object.entries(links)),
      }).severity;
    assert.equal(at("/srv/data", { "/srv/data": "/mnt/ssd/flightline" }), "ok");
    assert.equal(at("/srv/data", {}), "failure");
    assert.equal(at("/mnt/ssd/data", { "/mnt/ssd/data": "/srv/data" }), "failure");
    assert.equal(at("/srv/data", { "/mnt/ssd": "/srv" }), "ok");
    const other = judgeUnitDirectory(
      { ...unit, Id: "lora@a.service" },
      { dataDir: "/srv/x", owner: "flightline" },
    );
    assert.equal(other.hint, "sudo systemctl edit lora@a.service: [Service] ReadWritePaths=/srv/x");
  });
});

describe("the neighbours", () => {
  const unit = (changes: Partial<Unit> & Pick<Unit, "name" | "role">): Unit => ({
    activeState: "active",
    subState: "running",
    result: "success",
    restarts: 0,
    lastExit: undefined,
    sinceUptimeMs: uptimeMs - 3_600_000,
    ...changes,
  });
  const broker = unit({ name: "mosquitto.service", role: "broker" });
  const server = unit({ name: "chirpstack.service", role: "network_server" });
  const dead = { activeState: "inactive", subState: "dead" } as const;
  const here = { broker: true, database: true };
  const elsewhere = { broker: false, database: false };

  test("that run are a line each, and ours is none of them", () => {
    const findings = judgeNeighbours(
      [broker, server, unit({ name: "x.service", role: "own" })],
      here,
      uptimeMs,
    );
    assert.deepEqual(severities(findings), {
      "systemd.neighbour.mosquitto": ["ok"],
      "systemd.neighbour.chirpstack": ["ok"],
    });
    assert.match(findings[0]?.text ?? "", /^mosquitto\.service is active for 60 minutes$/);
  });

  test("a broker in trouble is a failure where the configuration needs it here, else a warning", () => {
    const looping = {
      ...broker,
      activeState: "activating",
      subState: "auto-restart",
      result: "exit-code",
      restarts: 51,
    };
    const [failure] = judgeNeighbours([looping], here, uptimeMs);
    assert.deepEqual([failure?.severity, failure?.figures?.["restarts"]], ["failure", 51]);
    assert.equal(judgeNeighbours([looping], elsewhere, uptimeMs)[0]?.severity, "warning");
    const failed = { ...broker, activeState: "failed", subState: "failed", result: "oom-kill" };
    assert.match(judgeNeighbours([failed], here, uptimeMs)[0]?.text ?? "", /has failed \(oom-kill\)$/);
  });

  test("one that is stopped counts only where it is needed, and no other does its work", () => {
    assert.equal(judgeNeighbours([{ ...broker, ...dead }], here, uptimeMs)[0]?.severity, "warning");
    assert.equal(judgeNeighbours([{ ...broker, ...dead }], elsewhere, uptimeMs)[0]?.severity, "skipped");
    const old = unit({ name: "influxdb.service", role: "database", ...dead });
    const core = unit({ name: "influxdb3-core.service", role: "database" });
    assert.deepEqual(severities(judgeNeighbours([old, core], here, uptimeMs)), {
      "systemd.neighbour.influxdb3-core": ["ok"],
    });
  });

  test("restarts are a warning for a day", () => {
    const restarted = { ...server, restarts: 3 };
    assert.equal(judgeNeighbours([restarted], here, uptimeMs)[0]?.severity, "warning");
    assert.equal(judgeNeighbours([restarted], here, uptimeMs + 25 * 3_600_000)[0]?.severity, "ok");
  });

  test("what is needed here follows from the URLs", () => {
    const of = (url: string): boolean => needsHere({ brokers: [url], databases: [] }).broker;
    for (const url of ["mqtt://127.0.0.1:1883", "mqtts://localhost:8883", "mqtt://[::1]:1883"])
      assert.ok(of(url), url);
    for (const url of ["mqtt://broker.example:1883", "mqtt://10.0.0.1", "nonsense"]) assert.ok(!of(url), url);
    assert.ok(needsHere({ brokers: [], databases: ["http://127.0.0.1:8181"] }).database);
  });
});

test("the clock: synchronised, not, ignored, and not to be asked", () => {
  const require = { ntp: "require", patienceMs: 900_000 } as const;
  assert.equal(judgeClock(true, require).severity, "ok");
  assert.match(judgeClock(false, require).text, /waits up to 15 minutes/);
  assert.equal(judgeClock(false, require).severity, "warning");
  assert.equal(judgeClock(false, { ...require, ntp: "ignore" }).severity, "ok");
  assert.equal(judgeClock(undefined, require).severity, "skipped");
});

test("time spans and lists of paths are read as systemd writes them", () => {
  const spans = {
    "1min": 60_000,
    "1min 30s": 90_000,
    "500ms": 500,
    "0": 0,
    infinity: Infinity,
    "2d 1h": 176_400_000,
  };
  for (const [text, ms] of Object.entries(spans)) assert.equal(spanMs(text), ms, text);
  for (const text of ["", "soon", "5", "3 apples"]) assert.equal(spanMs(text), undefined, text);
  assert.deepEqual(pathList('/a "/b c" -/d +/e "/f\\"g"'), ["/a", "/b c", "/d", "/e", '/f"g']);
  assert.deepEqual(pathList(""), []);
});

test("what an older systemd does not tell is empty", () => {
  assert.equal(parseShown("Id=x.service\nType=notify\n").OOMPolicy, "");
});

describe("examining", () => {
  async function examine(script: string | undefined, changes: Partial<SystemdDeps> = {}): Promise<Finding[]> {
    await using folder = await temporaryFolder("doctor-systemd");
    const systemctl = join(folder.path, "systemctl");
    writeFileSync(systemctl, `#!/bin/sh\n${script ?? "exit 1"}\n`);
    chmodSync(systemctl, 0o755);
    const bootedDir = join(folder.path, "booted");
    if (script !== undefined) mkdirSync(bootedDir);
    const findings: Finding[] = [];
    const examination = examineSystemd({
      daemon: async () => undefined,
      dataDir: "/var/lib/flightline",
      clock: { ntp: "require", patienceMs: 1000 },
      peers: { brokers: [], databases: [] },
      systemctl,
      bootedDir,
      persistentLogDir: join(folder.path, "log"),
      isClockSynchronised: () => true,
      ...changes,
    });
    await examination((finding) => findings.push(finding), never);
    return findings;
  }

  /** Answers as systemctl does: of our unit, else of no neighbour. */
  const answering = (shown: typeof recorded.active): string =>
    `case "$*" in *mosquitto*) ;; *) cat <<'TEXT'\n${Object.entries(shown)
      .map(([key, value]) => `${key}=${value}`)
      .join("\n")}\nTEXT\n;; esac`;

  test("a machine without systemd is one line, besides the clock", async () => {
    const findings = await examine(undefined);
    assert.deepEqual(severities(findings), { "systemd.clock": ["ok"], "systemd.unit": ["skipped"] });
  });

  test("a unit that is well is well in every line", async () => {
    const findings = await examine(answering(recorded.active));
    assert.deepEqual(new Set(findings.map(({ severity }) => severity)), new Set(["ok", "skipped"]));
    assert.ok(findings.some(({ check }) => check === "systemd.directory"));
    assert.ok(!findings.some(({ check }) => check === "systemd.log"));
  });

  test("the unit is that of the daemon of this directory, and no other daemon's", async () => {
    const ours: UnitStatus = {
      unit: "lora@a.service",
      isOurs: true,
      activeState: "active",
      subState: "running",
      result: "success",
      restarts: 0,
      lastExit: undefined,
      sinceAtMs: undefined,
      isLooping: false,
    };
    const units = [{ ...ours, unit: "mosquitto.service", isOurs: false }, ours];
    const ofDaemon = async (dataDir: string): Promise<string> => {
      const daemon = async (): Promise<DaemonStatus> => daemonStatus({ dataDir, units });
      // Says for which unit it was asked.
      const script = `case "$*" in *mosquitto*) ;; *) for unit; do :; done; echo "Id=$unit"; echo LoadState=masked ;; esac`;
      return textOf(await examine(script, { daemon }), / is masked: /).text;
    };
    assert.match(await ofDaemon("/var/lib/flightline"), /^lora@a\.service /);
    assert.match(await ofDaemon("/srv/another"), /^flightline\.service /);
  });

  test("a unit that is not installed is skipped only where the daemon of this directory answers", async () => {
    const ofDaemon = async (dataDir: string): Promise<string | undefined> => {
      const daemon = async (): Promise<DaemonStatus> => daemonStatus({ dataDir, units: [] });
      const findings = await examine(answering(recorded.unknown), { daemon });
      return findings.find(({ check }) => check === "systemd.unit")?.severity;
    };
    assert.equal(await ofDaemon("/var/lib/flightline"), "skipped");
    assert.equal(await ofDaemon("/srv/another"), "warning");
  });

  test("a directory that is a link is judged by where it leads", async () => {
    await using folder = await temporaryFolder("doctor-link");
    const data = join(folder.path, "data");
    mkdirSync(join(folder.path, "disk"));
    symlinkSync(join(folder.path, "disk"), data);
    const unit = {
      ...recorded.active,
      User: String(process.geteuid?.()),
      PrivateTmp: "no",
      ReadWritePaths: join(folder.path, "disk"),
    };
    const of = async (dataDir: string): Promise<string | undefined> =>
      (await examine(answering(unit), { dataDir })).find(({ check }) => check === "systemd.directory")
        ?.severity;
    assert.equal(await of(data), "ok");
    assert.equal(await of(join(folder.path, "elsewhere")), "failure");
    assert.notEqual(await of(join(data, "not", "yet")), "failure");
  });

  test("a log that is kept in memory matters only after an end that it would explain", async () => {
    const failed = await examine(answering(recorded.misconfigured));
    assert.equal(failed.find(({ check }) => check === "systemd.log")?.severity, "warning");
    const kept = await examine(answering(recorded.misconfigured), { persistentLogDir: "/" });
    assert.ok(!kept.some(({ check }) => check === "systemd.log"));
  });

  test("a systemctl that refuses, fails or hangs is skipped with its words", async () => {
    const refused = await examine("echo 'Failed to connect to bus: Permission denied' >&2; exit 1");
    assert.match(
      textOf(refused, /^not tried: systemctl show/).text,
      /Failed to connect to bus: Permission denied$/,
    );
    assert.equal(refused.find(({ check }) => check === "systemd.neighbours")?.severity, "skipped");
    assert.deepEqual(await showUnit("x", never, { systemctl: "/nonexistent/systemctl" }), {
      why: "spawn /nonexistent/systemctl ENOENT",
    });
    await using folder = await temporaryFolder("doctor-systemd");
    const systemctl = join(folder.path, "systemctl");
    writeFileSync(systemctl, "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
    const startMs = performance.now();
    assert.deepEqual(await showUnit("x", never, { systemctl, timeoutMs: 200 }), {
      why: "systemctl has not answered within 0.2 s",
    });
    assert.ok(performance.now() - startMs < 5000);
  });
});
