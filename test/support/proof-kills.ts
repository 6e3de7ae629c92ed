/**
 * kill -9 under 300 uplinks/s. Half of the kills come at random, the others are aimed at the two moments in which
 * a daemon can lie: after a commit and before its PUBACK, and after InfluxDB's answer and before the settlement
 * is saved. After each death the files, the broker's side of the connection and the stand-in are compared, so that
 * the run proves what its kills have hit.
 */
import assert from "node:assert/strict";
import { watch } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../../src/sandbox/devices/random.ts";
import type { Program } from "./daemon.ts";
import { type Aim, type Death, isProven, tableOf } from "./deaths.ts";
import { committedCount, holdersOf, readDeadJournal } from "./journal-files.ts";
import { assertSeen, type Effort, type Outcome, type Scenario } from "./proof.ts";
import { deadlineMs, ProofStage } from "./proof-stage.ts";
import { contentKey } from "./proof-verdicts.ts";
import { waitFor } from "./wait.ts";

const ratePerSecond = 300;
const kills = 8;
const mostKills = 24;
/** For a moment to aim at; then the kill comes at a random one. */
const mostWaitMs = 8000;
const aims: readonly Aim[] = ["commit", "answer", "random", "commit", "answer", "random"];

export const killLoop: Scenario = {
  fault: "kill -9 under 300 uplinks/s",
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    const stage = await ProofStage.open(t, { seed: 101 });
    if (stage === undefined) return undefined;
    const random = new Random(101, 1);
    const lives = new Lives(stage, random);
    await (await stage.startAndWait()).kill();
    const flow = stage.flow(ratePerSecond);
    const { deaths } = lives;
    const isEnough = (): boolean => isProven(deaths) || deaths.length >= mostKills;
    while (effort.wants(deaths.length, kills) || !isEnough()) {
      await lives.liveAndDie(aims[deaths.length % aims.length] ?? "random");
    }
    await flow.stop();
    const last = stage.start();
    await stage.settleAndStop(last);
    const journal = readDeadJournal(stage.dir);
    assert.ok(journal.isSettledUpTo(lives.lastSeq), "so is what those that were killed have made themselves");
    for (const line of tableOf(deaths)) t.diagnostic(line);
    assert.ok(isProven(deaths), "kills fell between commit and PUBACK, and between answer and settlement");
    const copies = lives.copies();
    assertSeen(copies, 1, "messages that the journal has a second time");
    const before = deaths.filter(({ committedNotAcknowledged }) => committedNotAcknowledged > 0).length;
    const after = deaths.filter(({ confirmedNotSettled }) => confirmedNotSettled > 0).length;
    return {
      verdict: await stage.verdict(),
      proof:
        `${deaths.length} kills, ${before} between commit and PUBACK, ${after} between answer and settlement; ` +
        `${copies} messages were in the journal twice`,
    };
  },
};

class Lives {
  readonly deaths: Death[] = [];
  readonly #stage: ProofStage;
  readonly #random: Random;
  /** What the journal's messages are, as far as it was read. */
  readonly #idOfSeq = new Map<number, string>();
  #lastSeq = 0;

  constructor(stage: ProofStage, random: Random) {
    this.#stage = stage;
    this.#random = random;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Redelivered, because their commit was not followed by a PUBACK. */
  copies(): number {
    return this.#idOfSeq.size - new Set(this.#idOfSeq.values()).size;
  }

  async liveAndDie(aim: Aim): Promise<void> {
    const { traffic, influx, mqttProxy, dir } = this.#stage;
    const before = { delivered: traffic.delivered.length, acknowledged: traffic.acknowledged.length };
    await influx.forgetAnswers();
    const daemon = this.#stage.start();
    if (aim === "random") await delay(this.#random.between(200, 2500));
    if (aim === "commit") await this.#killAfterCommit(daemon, before.acknowledged);
    if (aim === "answer") {
      await influx.killAfterAnswer(daemon.pid);
      await Promise.race([delay(mostWaitMs, undefined, { ref: false }), daemon.ended]);
    }
    const livedMs = performance.now() - daemon.startedMs;
    const { signal } = await daemon.kill();
    assert.equal(signal, "SIGKILL", `it ended by itself:\n${daemon.stdout.slice(-4000)}${daemon.stderr}`);
    // What the daemon wrote to its socket before it died still reaches the broker.
    await waitFor(() => mqttProxy.open === 0, { timeoutMs: deadlineMs, what: "the connection to end" });
    // Its check of the journal dies with it, if a little later. What a copy of the files shows counts only when
    // nobody has them open: else the next life may not see the last transaction.
    await waitFor(() => holdersOf(join(dir, "journal.db")).length === 0, {
      timeoutMs: deadlineMs,
      what: "the journal to be closed",
    });
    this.deaths.push(await this.#examine(aim, livedMs, before));
  }

  /**
   * Stops the process whenever it writes to its WAL and looks: when more is committed than PUBACKs have come
   * through, it does not wake up again. The proof is taken later and does not rest on this.
   */
  async #killAfterCommit(daemon: Program, acknowledgedBefore: number): Promise<void> {
    const { traffic, dir } = this.#stage;
    const connects = traffic.connects;
    await waitFor(() => traffic.connects > connects || !daemon.isRunning, {
      timeoutMs: deadlineMs,
      what: "the daemon to connect",
    });
    const { promise: hit, resolve } = Promise.withResolvers<void>();
    let isLooking = false;
    const look = async (): Promise<void> => {
      daemon.signal("SIGSTOP");
      isLooking = true;
      // What is on its way through the proxy arrives.
      await delay(5);
      if (committedCount(dir, this.#lastSeq) > traffic.acknowledged.length - acknowledgedBefore) resolve();
      else daemon.signal("SIGCONT");
      isLooking = false;
    };
    const watcher = watch(join(dir, "journal.db-wal"), () => {
      if (!isLooking) void look();
    });
    try {
      await Promise.race([hit, delay(mostWaitMs, undefined, { ref: false }), daemon.ended]);
    } finally {
      watcher.close();
    }
  }

  async #examine(
    aim: Aim,
    livedMs: number,
    before: { readonly delivered: number; readonly acknowledged: number },
  ): Promise<Death> {
    const { traffic, dir, influx, published } = this.#stage;
    const journal = readDeadJournal(dir, this.#lastSeq);
    const idOfContent = new Map(
      published.map(({ message }) => [contentKey(message.payload), message.uplink.deduplicationId]),
    );
    for (const { seq, payload } of journal.messages) {
      const id = idOfContent.get(contentKey(payload));
      assert.ok(id !== undefined, `message ${seq} is one that was published`);
      this.#idOfSeq.set(seq, id);
    }
    this.#lastSeq = journal.lastSeq;
    const settled = new Set<string>();
    for (const [seq, id] of this.#idOfSeq) if (journal.isSettled(seq)) settled.add(id);
    const { answered } = await influx.figures();
    const received = traffic.delivered.length - before.delivered;
    const acknowledged = traffic.acknowledged.length - before.acknowledged;
    const committed = journal.messages.length;
    assert.ok(acknowledged <= committed, `${acknowledged} PUBACKs for ${committed} committed messages`);
    return {
      aim,
      livedMs,
      received,
      notCommitted: received - committed,
      committedNotAcknowledged: committed - acknowledged,
      confirmedNotSettled: answered.filter((id) => !settled.has(id)).length,
    };
  }
}
