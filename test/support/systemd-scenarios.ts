/**
 * What is done to the daemon under its unit, scenario by scenario; each returns what was seen, and judges
 * nothing. They are played beside each other (systemd-scenarios-process.ts).
 */
import Database from "better-sqlite3";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { dataFolder } from "./daemon.ts";
import type { Figures, Stage } from "./systemd-stage.ts";
import type { Shown, Unit } from "./systemd-unit.ts";
import type { TcpProxy } from "./tcp-proxy.ts";
import type { WatchedInflux } from "./watched-influx.ts";

/** What most scenarios use instead of the 60 s that ship. */
export const watchdogMs = 3000;

export interface Hurt {
  readonly restarts: string;
  /** Of each run that systemd found failed, in order. */
  readonly results: readonly string[];
  /** Why the watchdog heard nothing, by the daemon's own log. */
  readonly whys: readonly string[];
  readonly planted: readonly string[];
  readonly figures: Figures;
}

/** Something to match in all lines of the unit's journal. */
async function found(unit: Unit, pattern: RegExp): Promise<string[]> {
  return [...(await unit.journal()).matchAll(pattern)].map(([, part = ""]) => part);
}

async function hurtOf(stage: Stage, { NRestarts }: Shown): Promise<Hurt> {
  await stage.acknowledgedMore(60);
  const figures = await stage.finish();
  return {
    restarts: NRestarts,
    results: await found(stage.unit, /Failed with result '([\w-]+)'/g),
    whys: await found(stage.unit, /"why":"([^"]*)"/g),
    planted: await found(stage.unit, /^planted: (\w+)$/gm),
    figures,
  };
}

/** Three starts; uplinks come with the last one. */
export async function started(stage: Stage): Promise<Shown[]> {
  const { unit } = stage;
  const shown: Shown[] = [];
  for (let start = 0; start < 2; start += 1) {
    await unit.control("start");
    shown.push(await unit.show());
    await unit.control("stop");
  }
  return [...shown, await stage.begin()];
}

/** Reloads, and a stop, under load. */
export async function plain(stage: Stage) {
  const { unit } = stage;
  const before = await unit.show();
  const reloads = await reloaded(stage);
  const stopMs = performance.now();
  await unit.control("stop");
  const stopTookMs = performance.now() - stopMs;
  const stopped = await unit.show();
  await unit.control("start");
  await stage.acknowledgedMore(30);
  const again = await unit.show();
  return { before, reloads, stopTookMs, stopped, again, figures: await stage.finish() };
}

const good = [
  "[telemetry]",
  'node_interval = "10m"',
  "[[mqtt]]",
  'name = "second"',
  'client_id = "second"',
  'topics = ["elsewhere/#"]',
];

async function reloaded(stage: Stage) {
  const { unit, broker } = stage;
  const second = [...good, `url = "${broker.url}"`];
  stage.writeConfig(second);
  const isTaken = await unit.control("reload");
  await unit.said("reloaded the configuration");
  const status = await unit.statusWhen("a second source", ({ snapshot: { sources } }) =>
    sources.some(({ name, state }) => name === "second" && state === "connected"),
  );
  await stage.acknowledgedMore(30);

  stage.writeConfig([...second, "[telemetri]"]);
  await unit.control("reload");
  await unit.said("reload_rejected");
  const afterBad = await unit.show();
  await stage.acknowledgedMore(30);
  const rejections = await found(unit, /^(\{.*"reload_rejected".*)$/gm);
  const sources = (await unit.status())?.snapshot.sources.map(({ name }) => name) ?? [];
  stage.writeConfig(second);
  return {
    isTaken,
    afterGood: status.snapshot.sources.map(({ name }) => name),
    afterBad,
    sources,
    rejections,
    /** Of the MQTT session that no reload has touched. */
    connections: stage.pubacks.connections,
    clients: [...broker.log().matchAll(/New client connected from \S+ as (\S+)/g)].map(([, id]) => id ?? ""),
  };
}

export async function blockedLoop(stage: Stage): Promise<Hurt> {
  await stage.begin();
  stage.unit.light("loop");
  return await hurtOf(stage, await stage.unit.restarted(1));
}

/** The progress deadline of the journal is a minute, and ships. */
export async function blockedCommits(stage: Stage): Promise<Hurt> {
  await stage.begin();
  stage.unit.light("commits");
  return await hurtOf(stage, await stage.unit.restarted(1, 90_000));
}

export async function killed(stage: Stage): Promise<Hurt> {
  await stage.begin();
  await stage.unit.signal("SEGV");
  await stage.unit.restarted(1);
  await stage.acknowledgedMore(60);
  await stage.unit.signal("STOP");
  return await hurtOf(stage, await stage.unit.restarted(2));
}

export async function influxAway(stage: Stage, proxy: TcpProxy) {
  const started = await stage.begin();
  proxy.refuse(true);
  proxy.dropConnections();
  await delay(3.2 * watchdogMs);
  const away = await stage.unit.show();
  const backlog = (await stage.unit.status())?.snapshot.journal.backlog ?? 0;
  proxy.refuse(false);
  return { started, away, backlog, ...(await hurtOf(stage, away)) };
}

/** A part that fails alone, five crashes, safe mode, and peace. */
export async function crashes(stage: Stage) {
  const { unit } = stage;
  await stage.begin();
  unit.light("part");
  await unit.statusWhen("the part to run again", ({ parts }) =>
    parts.some(({ name, state, restarts }) => name === "clock" && state === "running" && restarts === 1),
  );
  const alone = await unit.show();
  for (const [index, how] of ["critical", "SEGV", "stray", "critical", "SEGV"].entries()) {
    if (how === "SEGV") await unit.signal(how);
    else unit.light(how);
    await unit.restarted(index + 1);
    await stage.acknowledgedMore(10);
  }
  const safe = await unit.until("safe mode in STATUS", ({ StatusText }) => StatusText.includes("safe mode"));
  const safeStatus = await unit.status();
  await stage.acknowledgedMore(30);
  // Both directions work in it.
  await stage.delivered();

  unit.light("peace");
  const healed = await unit.statusWhen("peace", ({ mode }) => mode.kind === "normal");
  const after = await unit.show();
  await unit.control("stop");
  const stopped = await unit.show();
  await unit.control("start");
  const soon = await unit.statusWhen("an answer", () => true);
  await unit.control("stop");
  age(unit);
  await unit.control("start");
  const later = await unit.statusWhen("an answer", () => true);
  return {
    alone,
    safe,
    safeStatus: safeStatus && {
      mode: safeStatus.mode,
      parts: safeStatus.parts.map(({ name }) => name),
      starts: safeStatus.starts.map(({ end, part }) => ({ end, part })),
    },
    healed: healed.parts.map(({ name }) => name),
    stopped,
    soon: soon.mode,
    later: later.mode,
    said: await found(unit, /^(\{.*"safe_mode".*)$/gm),
    ...(await hurtOf(stage, after)),
  };
}

/** As if the runs so far were a quarter of an hour older. */
function age({ folder }: Unit): void {
  const database = new Database(join(dataFolder(folder), "state.db"));
  database.exec("UPDATE start SET uptime_ms = uptime_ms - 900000");
  database.close();
}

/** Over a database without SQL over HTTP: the daemon asks for the columns over Flight, in a process of its own. */
export async function queried(stage: Stage, { standIn }: WatchedInflux) {
  const { unit } = stage;
  standIn.faults.writeApi = "v2only";
  const before = await stage.begin();
  const { streams } = await unit.statusWhen("an answer over Flight", (status) => {
    const { state, queries, residentBytes } = status.streams;
    return state === "running" && queries.answered > 0 && residentBytes !== undefined;
  });
  const { pid = Number.NaN, starts, failures } = streams;
  const proc = (name: string): string => readFileSync(`/proc/${pid}/${name}`, "utf8");
  const seen = {
    starts,
    failures,
    oomScoreAdjustment: proc("oom_score_adj").trim(),
    isInUnit: proc("cgroup").includes(`${unit.name}.service`),
    /** With which it asks the kernel to die with the daemon. */
    hasNativeLibrary: /koffi.*\.node$/m.test(proc("maps")),
  };
  await stage.acknowledgedMore(60);
  // The judge reads by SQL over HTTP.
  standIn.faults.clear();
  const figures = await stage.finish();
  return {
    ...seen,
    before,
    stopped: await unit.show(),
    isLeft: existsSync(`/proc/${pid}`),
    killed: await found(unit, /Killing process (\d+)/g),
    figures,
  };
}

export async function misconfigured(unit: Unit) {
  const isStarted = await unit.control("start");
  // Longer than RestartSec=.
  await delay(1000);
  return { isStarted, shown: await unit.show() };
}
