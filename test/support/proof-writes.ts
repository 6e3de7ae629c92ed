/** InfluxDB is away, loses its answers, refuses lines. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import Database from "better-sqlite3";
import { Program } from "./daemon.ts";
import { assertSeen, type Effort, type Outcome, type Scenario } from "./proof.ts";
import { bufferStats } from "./proof-buffer.ts";
import { deadlineMs, type Flow, ProofStage } from "./proof-stage.ts";
import { faultColumns } from "./proof-table.ts";
import type { Verdict } from "./proof-verdicts.ts";

export const away: Scenario = {
  fault: "InfluxDB away, two restarts",
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    const count = effort.isLong ? 100_000 : 2400;
    const stage = await ProofStage.open(t, { seed: 201, lines: { journal: ['max_size = "2GiB"'] } });
    if (stage === undefined) return undefined;
    stage.influxProxy.refuse(true);
    const part = Math.ceil(count / 3);
    for (const [turn, end] of (["SIGKILL", "SIGTERM", undefined] as const).entries()) {
      const daemon = await stage.startAndWait();
      const publishing = stage.publish(part);
      await stage.untilCommitted(turn * part + part / 2, daemon);
      if (end === "SIGKILL") await daemon.kill();
      if (end === "SIGTERM") await stage.stop(daemon);
      await publishing;
      if (end !== undefined) continue;
      await stage.untilCommitted(3 * part, daemon);
      const proof = await whileAway(stage, effort);
      stage.influxProxy.refuse(false);
      await stage.settleAndStop(daemon);
      return { verdict: await stage.verdict(), proof: `killed once, stopped once; ${proof}` };
    }
    return undefined;
  },
};

/** Everything is in the buffer, and the command finds each of them. */
async function whileAway(stage: ProofStage, effort: Effort): Promise<string> {
  const { pending, way } = await bufferStats(stage.configFile);
  assert.equal(way, "daemon");
  assertSeen(pending.count, stage.publishedCount, "pending by the daemon's account");
  assert.equal((await stage.influx.figures()).written, 0, "nothing gets through");
  if (!effort.isLong) {
    const verdict = await stage.verdict();
    assert.equal(verdict.pending, stage.publishedCount, "`buffer` has each event");
    assertZeros(verdict);
  }
  return `${pending.count} pending in \`buffer\` before the return`;
}

export const lostAnswers: Scenario = {
  fault: "answers lost after commit, 500, 503",
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    const stage = await ProofStage.open(t, { seed: 202 });
    if (stage === undefined) return undefined;
    await stage.influx.trouble({ loseAnswers: 0.25, resets: 0.1, unwell: 0.1 }, 202);
    let flow: Flow | undefined;
    let rounds = 0;
    for (; effort.wants(rounds, 2); rounds += 1) {
      const daemon = await stage.startAndWait();
      flow ??= stage.flow(300);
      const { answersLost } = await stage.influx.figures();
      const isHit = async (): Promise<boolean> =>
        (await stage.influx.figures()).answersLost >= answersLost + 3;
      await stage.until(isHit, daemon, "answers that are lost");
      await daemon.kill();
    }
    await flow?.stop();
    const { answersLost, resets, unwell, repeated } = await stage.influx.figures();
    await stage.influx.well();
    await stage.settleAndStop(stage.start());
    assertSeen(answersLost, 3 * rounds, "answers lost");
    assertSeen((await stage.influx.figures()).repeated, 1, "lines written again");
    return {
      verdict: await stage.verdict(),
      proof:
        `${answersLost} answers lost after their commit, ${resets} resets, ${unwell} answers of 500 and 503, ` +
        `${rounds} kills; ${repeated} lines came again meanwhile`,
    };
  },
};

/**
 * A line that is refused alone and without a number is tried again after five minutes, and is dead then if another
 * write was taken meanwhile: the daemon's own, each minute. Its batch may have been parked as long before.
 */
const withoutNumbersMs = 20 * 60_000;

interface Refusing {
  readonly fault: string;
  readonly seed: number;
  readonly influxLines: readonly string[];
  /** Of the lines. */
  readonly share: number;
  readonly leastRefused: number;
  readonly isLong?: boolean;
}

/** Lines are refused by a draw from their bytes, and what is above 24 KiB with a 413. */
function refusing({ fault, seed, influxLines, share, leastRefused, isLong = false }: Refusing): Scenario {
  return {
    fault,
    isLong,
    run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
      const influx = { maxBodyBytes: 24 * 1024 };
      const stage = await ProofStage.open(t, { seed, influx, lines: { influxdb: influxLines } });
      if (stage === undefined) return undefined;
      let tooLarge = 0;
      stage.influxProxy.observe((direction, chunk) => {
        if (direction === "toClient" && chunk.includes("HTTP/1.1 413")) tooLarge += 1;
      });
      await stage.influx.trouble({ refuseLines: share }, seed);
      // What gathers while it is away is more than one write may have.
      stage.influxProxy.refuse(true);
      const daemon = await stage.startAndWait();
      await stage.publish(600);
      stage.influxProxy.refuse(false);
      const flow = stage.flow(300);
      for (let rounds = 0; effort.wants(rounds, 2); rounds += 1) await delay(1000);
      await flow.stop();
      await stage.untilSettled(daemon, isLong ? withoutNumbersMs : deadlineMs);
      const { refusedLines } = await stage.influx.figures();
      const verdict = await stage.verdict();
      assertSeen(refusedLines, leastRefused, "lines refused");
      assertSeen(tooLarge, 1, "writes too large");
      assert.equal(
        verdict.buffer.stats.dead.count,
        refusedLines,
        "each refused line is a dead letter, and no other",
      );
      assert.equal(verdict.buffer.dead.size, refusedLines, "of a row of its own");
      await requeued(stage, daemon);
      await stage.stop(daemon);
      const proof = `${refusedLines} lines refused and in \`buffer\`, all written after requeue; ${tooLarge} times 413`;
      return { verdict, proof };
    },
  };
}

export const refusals = refusing({
  fault: "lines refused at random, 413",
  seed: 203,
  influxLines: ['write_api = "v3"'],
  share: 0.01,
  leastRefused: 10,
});

export const refusalsWithoutNumbers = refusing({
  fault: "the same without line numbers (v2)",
  seed: 204,
  influxLines: ['write_api = "v2"'],
  share: 0.002,
  leastRefused: 3,
  isLong: true,
});

/** InfluxDB likes them now: nothing is left that is not there. */
async function requeued(stage: ProofStage, daemon: Program): Promise<void> {
  await stage.influx.well();
  await using command = new Program({ args: ["buffer", "requeue", "--dead", "-c", stage.configFile] });
  assert.equal((await command.ended).code, 0, command.stderr);
  await stage.untilSettled(daemon);
  const verdict = await stage.verdict();
  assert.equal(verdict.written, stage.publishedCount, verdict.details.join("\n"));
  assert.equal(verdict.buffer.stats.dead.count, 0);
  assertZeros(verdict);
  const { again, anew } = secondLives(stage.dir);
  assertSeen(again, 1, "messages in the journal again");
  assert.equal(anew, 0, "they were received when they were received first");
}

/** Of messages that the journal has twice, once settled and once put back; those of another receive time. */
function secondLives(dir: string): { again: number; anew: number } {
  const database = new Database(join(dir, "journal.db"), { readonly: true });
  try {
    const twice = database.prepare<[], { anew: number }>(
      "SELECT min(received_ms) <> max(received_ms) AS anew FROM message GROUP BY payload HAVING count(*) > 1",
    );
    const found = twice.all();
    return { again: found.length, anew: found.filter(({ anew }) => anew === 1).length };
  } finally {
    database.close();
  }
}

function assertZeros(verdict: Verdict): void {
  for (const column of faultColumns) assert.equal(verdict[column], 0, verdict.details.join("\n"));
}
