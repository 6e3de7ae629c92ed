/** The broker restarts; the clock steps. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import Database from "better-sqlite3";
import { assertSeen, type Effort, type Outcome, type Scenario } from "./proof.ts";
import { bufferStats } from "./proof-buffer.ts";
import { type Flow, ProofStage } from "./proof-stage.ts";
import { temporaryFolder } from "./wait.ts";

export const brokerRestarts: Scenario = {
  fault: "broker restarts",
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    const stage = await ProofStage.open(t, { seed: 301, broker: { persistence: true } });
    if (stage === undefined) return undefined;
    const { broker, traffic } = stage;
    const daemon = await stage.startAndWait();
    const flow = stage.flow(300);
    let rounds = 0;
    let unacknowledged = 0;
    for (; effort.wants(rounds, 3); rounds += 1) {
      const { connects } = traffic;
      const delivered = traffic.delivered.length;
      await stage.until(() => traffic.delivered.length > delivered + 100, daemon, "deliveries");
      await broker.stop();
      const connection = traffic.delivered.at(-1)?.connection ?? 0;
      if (traffic.outstanding(connection) > 0) unacknowledged += 1;
      await broker.start();
      await stage.until(() => traffic.connects > connects, daemon, "the daemon to connect again");
    }
    await flow.stop();
    await stage.settleAndStop(daemon);
    const again = traffic.delivered.filter(({ dup }) => dup).length;
    assertSeen(again, 1, "deliveries again");
    return {
      verdict: await stage.verdict(),
      proof: `${rounds} restarts, ${unacknowledged} with messages without PUBACK, ${again} deliveries again`,
    };
  },
};

const library = ["x86_64", "aarch64"]
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

const hourMs = 3_600_000;
const unset = "@1970-01-02 00:00:00";
const steps = ["+0", "+3h", "-3h", "+0"] as const;

export const clockSteps: Scenario = {
  fault: "clock steps, and a boot in 1970",
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    if (library === undefined) {
      const why = "faketime is not installed: apt-get install -y --no-install-recommends faketime";
      assert.ok(process.env["CI"] === undefined, why);
      t.skip(why);
      return undefined;
    }
    const stage = await ProofStage.open(t, { seed: 302, lines: { journal: ['keep_settled = "1d"'] } });
    if (stage === undefined) return undefined;
    const folder = await temporaryFolder("faketime");
    t.after(() => folder.remove());
    const timeFile = join(folder.path, "time");
    const setClock = (time: string): void => {
      writeFileSync(timeFile, `${time}\n`);
    };
    const env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: timeFile,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const { acknowledged } = stage.traffic;
    const startMs = Date.now();
    let flow: Flow | undefined;
    let rounds = 0;
    let held = 0;
    for (; effort.wants(rounds, 1); rounds += 1) {
      setClock("+0");
      const stepped = await stage.startAndWait({ env });
      flow ??= stage.flow(300);
      for (const step of steps) {
        setClock(step);
        const seen = acknowledged.length;
        await stage.until(() => acknowledged.length > seen + 150, stepped, "150 PUBACKs");
      }
      await stepped.kill();
      // No clock of its own, and nobody has set it yet: what comes waits for that.
      setClock(unset);
      const unsetDaemon = await stage.startAndWait({ env });
      const from = acknowledged.length;
      await stage.until(() => acknowledged.length > from + 300, unsetDaemon, "300 PUBACKs");
      const { written } = await stage.influx.figures();
      const waiting = (await bufferStats(stage.configFile)).pending.count;
      held += waiting;
      setClock("+0");
      const isReleased = async (): Promise<boolean> =>
        (await stage.influx.figures()).written >= written + waiting;
      await stage.until(isReleased, unsetDaemon, "what was held to be written");
      await stage.stop(unsetDaemon);
    }
    await flow?.stop();
    setClock("+0");
    await stage.settleAndStop(await stage.startAndWait({ env }));
    const { ahead, behind, before1971 } = receiveTimes(stage.dir, startMs);
    assertSeen(ahead, 1, "messages received three hours ahead");
    assertSeen(behind, 1, "messages received three hours behind");
    assertSeen(before1971, 1, "messages received in 1970");
    assertSeen(held, 1, "messages that waited for the clock");
    return {
      verdict: await stage.verdict(),
      proof: `received 3 h ahead ${ahead}, 3 h behind ${behind}, in 1970 ${before1971}; ${held} waited for the clock`,
    };
  },
};

/** By the notes in the journal, which keeps what is settled. */
function receiveTimes(dir: string, nowMs: number): { ahead: number; behind: number; before1971: number } {
  const database = new Database(join(dir, "journal.db"), { readonly: true });
  try {
    const count = database
      .prepare<[number, number], number>("SELECT count(*) FROM message WHERE received_ms BETWEEN ? AND ?")
      .pluck();
    const between = (fromMs: number, toMs: number): number => count.get(fromMs, toMs) ?? 0;
    return {
      ahead: between(nowMs + 2 * hourMs, nowMs + 5 * hourMs),
      behind: between(nowMs - 4 * hourMs, nowMs - 2 * hourMs),
      before1971: between(0, 365 * 24 * hourMs),
    };
  } finally {
    database.close();
  }
}
