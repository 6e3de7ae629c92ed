/**
 * Runs inside of a machine, for systemd.test.ts: plays the scenarios and writes what was seen to
 * /results/facts.json. The starts that are measured have the machine for themselves; the rest are played
 * beside each other.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { coreLimits } from "../../src/sandbox/influxdb/catalog.ts";
import {
  blockedCommits,
  blockedLoop,
  crashes,
  influxAway,
  killed,
  misconfigured,
  plain,
  queried,
  started,
  watchdogMs,
} from "./systemd-scenarios.ts";
import { Stage } from "./systemd-stage.ts";
import type { StageOptions } from "./systemd-stage.ts";
import { readUnitFiles, Unit } from "./systemd-unit.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { startWatchedInflux } from "./watched-influx.ts";

/** What a scenario has seen, or why it did not come to its end. */
export type Played<T> = { readonly seen: T } | { readonly failure: string };

async function play<T>(name: string, scenario: () => Promise<T>): Promise<Played<T>> {
  const startMs = performance.now();
  try {
    const seen = await scenario();
    process.stdout.write(`${name}: ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`);
    return { seen };
  } catch (error) {
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

async function playAll() {
  await using influx = await startWatchedInflux({
    flushIntervalMs: 50,
    limits: { ...coreLimits, databases: 20 },
  });
  await using withoutSql = await startWatchedInflux({ flushIntervalMs: 50 });
  // A database that is not there is no answer over Flight.
  await fetch(`${withoutSql.url}/api/v3/write_lp?db=queried`, { method: "POST", body: "before f=1" });
  const proxy = await TcpProxy.start(influx.standIn.port);
  const watched = { program: "built", watchdogMs } as const;
  const faulty = { program: "faulty", watchdogMs } as const;
  const set = async (name: string, options: StageOptions): Promise<Stage> =>
    await Stage.set(name, influx, options);
  const stages = {
    plain: await set("plain", { program: "built" }),
    loop: await set("loop", faulty),
    commits: await set("commits", { ...faulty, ratePerSecond: 10 }),
    away: await set("away", { ...watched, influxUrl: `http://127.0.0.1:${proxy.port}` }),
    // The hour by which its clock jumps is a loop that is an hour late: three seconds without a ping.
    crashes: await set("crashes", { program: "faulty" }),
    killed: await set("killed", watched),
    queried: await Stage.set("queried", withoutSql, watched),
  };
  const broken = new Unit("broken");
  broken.install("built", undefined);
  mkdirSync(broken.folder);
  writeFileSync(broken.configFile, "[influxdb]\nurl = 8181\n");
  await readUnitFiles([...Object.values(stages).map(({ unit }) => unit), broken]);
  const starts = await play("starts", () => started(stages.plain));
  const [plainly, loop, commits, away, crashed, died, asked, bad] = await Promise.all([
    play("plain", () => plain(stages.plain)),
    play("loop", () => blockedLoop(stages.loop)),
    play("commits", () => blockedCommits(stages.commits)),
    play("away", () => influxAway(stages.away, proxy)),
    play("crashes", () => crashes(stages.crashes)),
    play("killed", () => killed(stages.killed)),
    play("queried", () => queried(stages.queried, withoutSql)),
    play("misconfigured", () => misconfigured(broken)),
  ]);
  for (const stage of Object.values(stages)) await stage.strike();
  await proxy.stop();
  return {
    starts,
    plain: plainly,
    loop,
    commits,
    away,
    crashes: crashed,
    killed: died,
    queried: asked,
    misconfigured: bad,
  };
}

export type Facts = Awaited<ReturnType<typeof playAll>>;

writeFileSync("/results/facts.json", JSON.stringify(await playAll()));
