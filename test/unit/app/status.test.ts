import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { child } from "../../../src/app/children.ts";
import { configRedactor } from "../../../src/app/redaction.ts";
import { inSafeMode, type Waiting } from "../../../src/app/starts.ts";
import { type StatusDeps, StatusTeller } from "../../../src/app/status.ts";
import type { Config } from "../../../src/config/config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { Fault } from "../../../src/lib/fault.ts";
import type { SourceStatus } from "../../../src/mqtt/source.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import type { RecordedRun } from "../../../src/state/starts.ts";
import type { Snapshot } from "../../../src/status/snapshot.ts";
import { statusToJson } from "../../../src/status/wire.ts";
import type { ChildStatus } from "../../../src/supervision/child.ts";
import { silentNotifier } from "../../../src/systemd/notify.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { temporaryFolder } from "../../support/wait.ts";

const wallMs = Date.UTC(2026, 2, 1);
const startedMs = 10_000;
const uptimeMs = 70_000;
const secrets = ["s3cret-of-mqtt", "s3cret-of-influxdb", "s3cret-of-route"];

const refused = new Fault({
  code: "mqtt_refused",
  layer: "broker",
  disposition: "retry",
  message: "nobody listens",
  hint: "start it",
});
const away = new Fault({
  code: "write_unreachable",
  layer: "write",
  disposition: "retry",
  message: "no answer",
  hint: "wait",
});

const well: Snapshot = {
  counters: newCounters(),
  journal: { lastSeq: 20, backlog: 3, evicted: 0, evictedMinor: 0, waiting: 0, lastCommitMs: 0 },
  quarantineEvicted: 0,
  registry: { devices: 0, gateways: 0, lag: 0, evicted: 0, missed: 0, statsLeftOut: 0 },
  sources: [{ name: "main", state: "connected", connects: 1, lastFault: undefined }],
  databases: [{ name: "lorawan", state: "up" }],
  latencyMs: { p50: undefined, p99: undefined },
};

function part(name: string, more: Partial<ChildStatus> = {}): ChildStatus {
  return {
    name,
    isCritical: false,
    state: "running",
    restarts: 0,
    lastFault: undefined,
    sinceMs: startedMs,
    nextTryMs: undefined,
    lastBeatAgoMs: 0,
    ...more,
  };
}

async function configWithSecrets(t: TestContext): Promise<Config> {
  const folder = await temporaryFolder("status");
  t.after(() => folder.remove());
  const file = join(folder.path, "flightline.toml");
  const text = `
    node = "barn"
    [[mqtt]]
    name = "main"
    url = "mqtts://broker.example"
    username = "u"
    password = "${secrets[0]}"
    [[mqtt]]
    name = "second"
    url = "mqtts://broker.example:8884"
    [[mqtt]]
    name = "third"
    url = "mqtts://elsewhere.example"
    [journal]
    dir = "/var/lib/somewhere"
    [influxdb]
    url = "http://influx.example:8181"
    database = "lorawan"
    token = "${secrets[1]}"
    [[route]]
    match = { application = "barns" }
    database = "barns"
    token = "${secrets[2]}"`;
  writeFileSync(file, text);
  const loaded = loadConfig({ file, env: {} });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config;
}

const streamsAtWork: ReturnType<StatusDeps["streams"]> = {
  state: "running",
  pid: 900,
  vitals: { rssBytes: 80_000_000, heapBytes: 1, externalBytes: 2, underWay: 1, dropped: 0 },
  starts: 3,
  failures: 2,
  lastFault: { layer: "flight", code: "streams_died", message: "it died", hint: "ask again" },
  lastQueryFault: { layer: "flight", code: "flight_unauthorized", message: "not accepted", hint: "set it" },
  underWay: 1,
  waiting: 4,
  answered: 10,
  faulted: 5,
  unknownMessages: 0,
  brokenMessages: 0,
  parkedRequests: [{ text: `SELECT '${secrets[0]}'`, untilMs: 9 }],
  subscriptions: [],
};

test("the streams process is told of without the texts of its queries", async (t) => {
  assert.deepEqual((await teller(t)).status().streams, {
    state: "running",
    pid: 900,
    residentBytes: 80_000_000,
    starts: 3,
    failures: 2,
    lastFault: { code: "streams_died", message: "it died", hint: "ask again" },
    queries: {
      underWay: 1,
      waiting: 4,
      answered: 10,
      faulted: 5,
      parked: 1,
      lastFault: { code: "flight_unauthorized", message: "not accepted", hint: "set it" },
    },
  });
});

async function teller(t: TestContext, more: Partial<StatusDeps> = {}): Promise<StatusTeller> {
  const config = await configWithSecrets(t);
  return new StatusTeller({
    options: () => ({ config, log: new RecordingLog(), version: "1.2.3" }),
    starts: { recorded: () => [] },
    clock: { nowMs: () => wallMs, uptimeMs: () => uptimeMs },
    startedMs,
    mode: { mode: "normal" },
    waiting: [],
    rates: { perSecond: { received: 2, written: 1.96 } } as StatusDeps["rates"],
    notifier: silentNotifier,
    supervisor: { status: () => [part("forward")], health: () => undefined, worstLoopDelayMs: () => 4 },
    sources: () => [source("connected")],
    destinations: () => [database()],
    snapshot: () => well,
    streams: () => streamsAtWork,
    journalTrouble: () => undefined,
    reloadTrouble: () => undefined,
    oldestUnsentS: () => 1.5,
    ...more,
  });
}

function database(trouble?: Fault, unread?: Fault): ReturnType<StatusDeps["destinations"]>[number] {
  return { name: "lorawan", forward: { trouble, held: undefined }, columns: { trouble: unread } };
}

function source(state: SourceStatus["state"], lastFault?: Fault): { name: string; status: SourceStatus } {
  return { name: "main", status: { state, connects: 1, lastFault, received: { qos0: 0, qos1: 0 } } };
}

function parked(name: string, fault: Fault): ChildStatus {
  const { code, layer, message, hint } = fault;
  return part(name, {
    state: "parked",
    restarts: 5,
    lastFault: { code, layer, message, hint },
    sinceMs: 60_000,
    nextTryMs: 120_000,
    lastBeatAgoMs: undefined,
  });
}

const bug = new Fault({
  code: "part_failed",
  layer: "host",
  disposition: "restart",
  message: "the projector has a bug",
  hint: "report it",
});

describe("the status", () => {
  test("of a daemon that is well: who it is, since when, and no troubles", async (t) => {
    const one = await teller(t);
    const status = one.status();
    assert.deepEqual(
      [status.version, status.node, status.dataDir, status.pid, status.nodeJs],
      ["1.2.3", "barn", "/var/lib/somewhere", process.pid, process.version],
    );
    assert.deepEqual([status.uptimeMs, status.startedAtMs], [60_000, wallMs - 60_000]);
    assert.deepEqual([status.mode, status.unhealthy, status.troubles], [{ kind: "normal" }, "", []]);
    assert.deepEqual([status.loopDelayMs, status.oldestUnsentAgoMs], [4, 1500]);
    assert.deepEqual([status.starts, status.units], [[], undefined]);
    assert.deepEqual(status.service, { way: "none", watchdogMs: undefined, lastFault: undefined });
    const [forward] = status.parts;
    assert.deepEqual([forward?.name, forward?.state, forward?.sinceAgoMs], ["forward", "running", 60_000]);
    assert.equal(one.line(), "1 of 1 brokers, InfluxDB up, backlog 3, 2.0/s in, 2.0/s written");
  });

  test("the line has what is kept for a person, where there is some", async (t) => {
    const kept = { quarantined: 2, deadLines: 3, deadLinesEvicted: 0 };
    const lineOf = async (changes: Partial<typeof kept>): Promise<string> => {
      const snapshot = { ...well, kept: { ...kept, ...changes } };
      return (await teller(t, { snapshot: () => snapshot })).line();
    };
    assert.match(await lineOf({}), /, backlog 3, dead lines 3, quarantined 2, 2\.0\/s in, /);
    assert.match(await lineOf({ deadLines: 0 }), /, backlog 3, quarantined 2, 2\.0\/s in, /);
    assert.match(await lineOf({ deadLines: 0, quarantined: 0 }), /, backlog 3, 2\.0\/s in, /);
  });

  test("a backlog that drains: how fast and how long, in the status and in the line", async (t) => {
    const now = { uptimeMs: 70_000, backlog: 12_000 };
    const one = await teller(t, {
      clock: { nowMs: () => wallMs, uptimeMs: () => now.uptimeMs },
      snapshot: () => ({ ...well, journal: { ...well.journal, backlog: now.backlog } }),
    });
    assert.equal(one.status().drain, undefined);
    for (let step = 0; step < 3; step += 1) {
      now.uptimeMs += 5000;
      now.backlog -= 500;
      one.line();
    }
    const { drain } = one.status();
    assert.deepEqual(
      [drain?.perSecond, drain?.leftMs].map((value) => Math.round(value ?? 0)),
      [100, 105_000],
    );
    assert.equal(
      one.line(),
      "1 of 1 brokers, InfluxDB up, backlog 10500 (2 min left), 2.0/s in, 2.0/s written",
    );
  });

  test("broker and database away: both are troubles, lowest layer first, and in the line", async (t) => {
    const snapshot: Snapshot = {
      ...well,
      sources: [{ name: "main", state: "waiting", connects: 1, lastFault: "mqtt_refused" }],
      databases: [{ name: "lorawan", state: "away" }],
    };
    const one = await teller(t, {
      sources: () => [source("waiting", refused)],
      destinations: () => [database(away)],
      snapshot: () => snapshot,
    });
    assert.deepEqual(
      one.status().troubles.map(({ layer, where, code, hint }) => [layer, where, code, hint]),
      [
        ["broker", "main", "mqtt_refused", "start it"],
        ["write", "lorawan", "write_unreachable", "wait"],
      ],
    );
    assert.match(one.line(), /^0 of 1 brokers, InfluxDB away, /);
  });

  test("columns that cannot be read are doubtful, and no more than that; with no writes either, that is said", async (t) => {
    const unread = new Fault({
      code: "flight_unauthorized",
      layer: "flight",
      disposition: "fatal",
      message: "not accepted",
      hint: "set it",
    });
    const said = async (trouble?: Fault) =>
      (await teller(t, { destinations: () => [database(trouble, unread)] })).status().troubles;
    assert.deepEqual(await said(), [
      {
        code: "flight_unauthorized",
        message: "not accepted",
        hint: "set it",
        layer: "flight",
        where: "lorawan",
        severity: "doubtful",
      },
    ]);
    assert.deepEqual(
      (await said(away)).map(({ code, severity }) => [code, severity]),
      [["write_unreachable", "bad"]],
    );
  });

  test("what several parts suffer from because the network is gone comes before them, and in the line", async (t) => {
    const lookup = (host: string, layer: "network" | "broker" = "network"): Fault =>
      new Fault({
        code: "name_lookup_failed",
        layer,
        disposition: "retry",
        message: `the name ${host} could not be looked up`,
      });
    const full = new Fault({
      code: "journal_full",
      layer: "journal",
      disposition: "retry",
      message: "full",
      hint: "make room",
    });
    let isGone = true;
    const log = new RecordingLog();
    const config = await configWithSecrets(t);
    const one = await teller(t, {
      options: () => ({ config, log, version: "1.2.3" }),
      sources: () => [
        source("waiting", isGone ? lookup("a") : undefined),
        { ...source("waiting", refused), name: "other" },
      ],
      destinations: () => [database(lookup("b"))],
      journalTrouble: () => full,
    });
    assert.deepEqual(
      one.status().troubles.map(({ where, code, behind }) => [where, code, behind]),
      [
        ["journal", "journal_full", undefined],
        ["network", "dns_silent", undefined],
        ["main", "name_lookup_failed", "network"],
        ["lorawan", "name_lookup_failed", "network"],
        ["other", "mqtt_refused", undefined],
      ],
    );
    assert.match(
      one.line(),
      /full, no DNS server answers this machine: main and lorawan cannot work, 1 of 1/,
    );
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const stop = new AbortController();
    let beats = 0;
    const ended = one.watchSurroundings(stop.signal, () => (beats += 1));
    const next = async (count: number): Promise<void> => {
      for (;;) {
        if (beats >= count) return;
        t.mock.timers.tick(30_000);
        await new Promise(setImmediate);
      }
    };
    await next(3);
    assert.deepEqual(log.codes, ["dns_silent"], "once");
    isGone = false;
    await next(6);
    stop.abort();
    await ended;
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ["fault", "info"],
    );
    assert.deepEqual(
      one.status().troubles.map(({ where, behind }) => [where, behind]),
      [
        ["journal", undefined],
        ["lorawan", undefined],
        ["other", undefined],
      ],
    );
  });

  test("the uplink is not blamed for one host, nor while another one is connected", async (t) => {
    const wayless = new Fault({
      code: "host_unreachable",
      layer: "network",
      disposition: "retry",
      message: "",
    });
    const of = (name: string, fault?: Fault) => ({
      ...source(fault === undefined ? "connected" : "waiting", fault),
      name,
    });
    const said = async (...parts: readonly ReturnType<typeof of>[]) => {
      const one = await teller(t, {
        sources: () => parts.filter(({ name }) => name !== "lorawan"),
        destinations: () => [database(parts.find(({ name }) => name === "lorawan")?.status.lastFault)],
      });
      return one.status().troubles.map(({ where, behind }) => (behind === undefined ? where : `(${where})`));
    };
    const [main, second, lorawan] = ["main", "second", "lorawan"].map((name) => of(name, wayless));
    assert.ok(main && second && lorawan);
    assert.deepEqual(await said(main, second), ["main", "second"]);
    assert.deepEqual(await said(main, lorawan), ["network", "(main)", "(lorawan)"]);
    assert.deepEqual(await said(main, lorawan, of("third")), ["main", "lorawan"]);
  });

  test("where writes go on although nobody answers queries, the network is not to blame", async (t) => {
    const lookup = (host: string): Fault =>
      new Fault({
        code: "name_lookup_failed",
        layer: "network",
        disposition: "retry",
        message: `no ${host}`,
      });
    const one = await teller(t, {
      sources: () => [source("waiting", lookup("a"))],
      destinations: () => [database(undefined, lookup("b"))],
    });
    assert.deepEqual(
      one.status().troubles.map(({ where, behind }) => [where, behind]),
      [
        ["main", undefined],
        ["lorawan", undefined],
      ],
    );
  });

  test("a journal that takes nothing in, and a reload that was refused, are troubles", async (t) => {
    const fault = (code: string, layer: "journal" | "config"): Fault =>
      new Fault({ code, layer, disposition: "retry", message: `the words of ${code}`, hint: "mend it" });
    const one = await teller(t, {
      journalTrouble: () => fault("journal_full", "journal"),
      reloadTrouble: () => fault("reload_rejected", "config"),
    });
    assert.deepEqual(
      one.status().troubles.map(({ layer, where, code }) => [layer, where, code]),
      [
        ["config", "configuration", "reload_rejected"],
        ["journal", "journal", "journal_full"],
      ],
    );
    assert.match(one.line(), /^nothing is taken in: the words of journal_full, 1 of 1 brokers/);
  });

  test("a part that is parked: its fault, and when it is tried again", async (t) => {
    const parts = [part("forward"), parked("project", bug)];
    const supervisor = { status: () => parts, health: () => undefined, worstLoopDelayMs: () => 0 };
    const one = await teller(t, { supervisor, sources: () => [source("waiting", refused)] });
    const { troubles, parts: shown } = one.status();
    assert.deepEqual(
      troubles.map(({ layer, where, code }) => [layer, where, code]),
      [
        ["host", "project", "part_failed"],
        ["broker", "main", "mqtt_refused"],
      ],
    );
    const project = shown.find(({ name }) => name === "project");
    assert.deepEqual([project?.sinceAgoMs, project?.nextTryInMs, project?.restarts], [10_000, 50_000, 5]);
    assert.ok(one.line().endsWith(", project parked"));
  });

  test("what a part and its neighbour both suffer from is said once, and what is over is not said", async (t) => {
    const parts = [
      parked("source main", refused),
      part("project", {
        lastFault: { code: "part_failed", layer: "host", message: "over", hint: undefined },
      }),
    ];
    const supervisor = { status: () => parts, health: () => undefined, worstLoopDelayMs: () => 0 };
    const one = await teller(t, { supervisor, sources: () => [source("waiting", refused)] });
    assert.deepEqual(
      one.status().troubles.map(({ where }) => where),
      ["main"],
    );
  });

  test("a daemon whose critical part is silent says who, for how long", async (t) => {
    const silent = [{ name: "journal", silentMs: 65_000 }];
    const health = () => ({ silent, loopLateMs: undefined });
    const one = await teller(t, { supervisor: { status: () => [], health, worstLoopDelayMs: () => 0 } });
    assert.equal(one.status().unhealthy, "journal silent for 65 s");
    assert.ok(one.line().startsWith("stuck: journal silent for 65 s, "));
  });

  test("safe mode: how it came, the suspect, and what comes when; normal when nothing waits any more", async (t) => {
    const names = ["project", "node"];
    const rest = names.map((name) => [child(name, 1000, async () => await Promise.resolve()), 1] as const);
    const waiting: Waiting[] = inSafeMode(rest, "project", startedMs);
    const mode = { mode: "safe", uncleanStarts: 5, suspect: "project" } as const;
    const one = await teller(t, { mode, waiting });
    assert.deepEqual(one.status().mode, {
      kind: "safe",
      uncleanStarts: 5,
      suspect: "project",
      waiting: [
        { part: "node", startsInMs: 840_000 },
        { part: "project", startsInMs: 960_000 },
      ],
    });
    assert.ok(one.line().startsWith("safe mode, "));
    waiting.length = 0;
    assert.deepEqual(one.status().mode, { kind: "normal" });
  });

  test("the newest ten runs, newest first, with why they ended", async (t) => {
    const run = (n: number): RecordedRun => ({
      bootId: "boot",
      uptimeMs: n,
      startedAtMs: wallMs + n,
      version: "1.2.2",
      end: n === 12 ? "crash" : "clean",
      wasCalm: false,
      ...(n === 12 ? { part: "forward", faultCode: "part_crashed", message: "it broke" } : {}),
    });
    const recorded = Array.from({ length: 12 }, (_, index) => run(index + 1));
    const { starts } = (await teller(t, { starts: { recorded: () => recorded } })).status();
    assert.deepEqual(
      starts.map(({ startedAtMs }) => startedAtMs - wallMs),
      [12, 11, 10, 9, 8, 7, 6, 5, 4, 3],
    );
    assert.deepEqual(starts[0], {
      startedAtMs: wallMs + 12,
      end: "crash",
      part: "forward",
      fault: { code: "part_crashed", message: "it broke", hint: undefined },
    });
  });

  test("has no secret of the configuration in its JSON", async (t) => {
    const config = await configWithSecrets(t);
    const json = statusToJson((await teller(t)).status());
    assert.ok(json.length > 500);
    assert.equal(configRedactor(config)(json), json);
    // The redactor knows them all, or it would prove nothing.
    for (const secret of secrets) {
      assert.ok(!json.includes(secret));
      assert.ok(!configRedactor(config)(`x ${secret} y`).includes(secret));
    }
  });
});

test("messages that wait after a refusal are told with the last refusal, in the status and in its line", async (t) => {
  const { name, columns } = database();
  const held = { count: 1200, fault: away };
  const status = await teller(t, {
    destinations: () => [{ name, columns, forward: { trouble: undefined, held } }],
  });
  assert.deepEqual(status.status().troubles, [
    {
      where: "lorawan",
      layer: "write",
      severity: "doubtful",
      code: "write_unreachable",
      message: "1,200 messages wait to be tried again after a refusal: no answer",
      hint: "wait",
    },
  ]);
  assert.match(status.line(), /, 1200 held after a refusal \(write_unreachable\), /);
});
