/** The disk: its power is cut, it is full, it does not sync, it has forgotten some pages. */
import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Random } from "../../src/sandbox/devices/random.ts";
import type { Program } from "./daemon.ts";
import { committedCount, committedSeq, holdersOf, unsettledCount } from "./journal-files.ts";
import { mountPowerCutDisk, mountTmpfs } from "./mount.ts";
import { assertSeen, type Effort, type Outcome, type Scenario } from "./proof.ts";
import { deadlineMs, type Flow, ProofStage } from "./proof-stage.ts";
import { inject } from "./strace.ts";
import { waitFor } from "./wait.ts";

const mib = 1024 * 1024;
const pageBytes = 4096;
/** An uplink has some hundred bytes. */
const mostOnPage = 20;

/**
 * The process is stopped between two system calls before the cut: ext4 lets an fsync that runs while the shutdown
 * takes effect return success for data that it drops, which no disk does.
 */
export const powerCut: Scenario = {
  fault: "power cut under load",
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    const disk = mountPowerCutDisk(t);
    if (disk === undefined) return undefined;
    const stage = await ProofStage.open(t, {
      seed: 401,
      folder: disk.path,
      lines: { journal: ['max_size = "16MiB"'] },
    });
    if (stage === undefined) return undefined;
    // A configuration is older than that.
    sync(stage.configFile);
    sync(disk.path);
    let flow: Flow | undefined;
    const canary = join(disk.path, "canary");
    let rounds = 0;
    let onlyThere = 0;
    for (; effort.wants(rounds, 2); rounds += 1) {
      // Every other time InfluxDB is away: what was acknowledged is nowhere but on this disk.
      const isAway = rounds % 2 === 0;
      stage.influxProxy.refuse(isAway);
      stage.influxProxy.dropConnections();
      const daemon = await stage.startAndWait();
      flow ??= stage.flow(300);
      const acknowledgedBefore = stage.traffic.acknowledged.length;
      const acknowledged = (): number => stage.traffic.acknowledged.length - acknowledgedBefore;
      await stage.until(() => acknowledged() > 300, daemon, "300 PUBACKs");
      await pause(daemon);
      writeFileSync(canary, "not synced");
      const unsettled = unsettledCount(stage.dir);
      const newest = committedSeq(stage.dir);
      disk.cutPower();
      daemon.signal("SIGCONT");
      await failed(daemon, stage);
      disk.mountAgain();
      // Its name may have come along with somebody else's fsync.
      assert.ok(!existsSync(canary) || statSync(canary).size === 0, "what was not synced is gone");
      // A commit may have been on the disk and not in the index yet, where readers see it.
      assertSeen(committedSeq(stage.dir), newest, "is the newest seq after the cut");
      if (isAway) assertSeen(unsettled, 300, "messages that were only on this disk");
      onlyThere += unsettled;
    }
    await flow?.stop();
    stage.influxProxy.refuse(false);
    await stage.settleAndStop(await stage.startAndWait());
    return {
      verdict: await stage.verdict(),
      proof: `${rounds} cuts; ${onlyThere} messages were in the journal only, and a file without fsync was gone each time`,
    };
  },
};

function sync(path: string): void {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

/** Between two system calls: no fsync is under way when this resolves. */
async function pause(daemon: Program): Promise<void> {
  daemon.signal("SIGSTOP");
  const file = `/proc/${daemon.pid}/status`;
  await waitFor(() => /^State:\s+T/m.test(readFileSync(file, "utf8")), { what: "the daemon to stop" });
}

/** It ends by itself, and has said why. */
async function failed(daemon: Program, { dir }: ProofStage, code = "journal_write_failed"): Promise<void> {
  await waitFor(() => !daemon.isRunning, { timeoutMs: deadlineMs, what: `the end after ${code}` });
  assert.deepEqual(await daemon.ended, { code: 1, signal: null }, daemon.stdout.slice(-4000) + daemon.stderr);
  assertSeen(sayings(daemon, code), 1, `times ${code}\n${daemon.stdout.slice(-4000)}`);
  await waitFor(() => holdersOf(join(dir, "journal.db")).length === 0, {
    timeoutMs: deadlineMs,
    what: "the journal to be closed",
  });
}

export const fullDisk: Scenario = {
  fault: "full disk, stop_acking",
  run: async (t, effort) => await fill(t, effort, { whenFull: "stop_acking", backlog: 1000 }),
};

export const fullDiskEvicting: Scenario = {
  fault: "full disk, drop_oldest",
  mayDrop: true,
  run: async (t, effort) => await fill(t, effort, { whenFull: "drop_oldest", backlog: 200 }),
};

interface Filling {
  readonly whenFull: "stop_acking" | "drop_oldest";
  /** What the journal holds when it may not grow any more: then no more than about that fits. */
  readonly backlog: number;
}

async function fill(
  t: TestContext,
  effort: Effort,
  { whenFull, backlog }: Filling,
): Promise<Outcome | undefined> {
  const folder = mountTmpfs(t, 48 * mib);
  if (folder === undefined) return undefined;
  const lines = { journal: ['max_size = "1GiB"', `when_full = "${whenFull}"`] };
  const stage = await ProofStage.open(t, { seed: 402, folder, lines });
  if (stage === undefined) return undefined;
  const { influxProxy, dir } = stage;
  const other = join(folder, "other");
  const ballast = join(dir, "ballast");
  const daemon = await stage.startAndWait();
  let rounds = 0;
  for (; effort.wants(rounds, 1); rounds += 1) {
    influxProxy.refuse(true);
    influxProxy.dropConnections();
    const before = committedCount(dir);
    await stage.publish(backlog);
    await stage.untilCommitted(before + backlog, daemon);
    assertSeen(statSync(ballast).size, mib, "bytes of ballast");
    // Somebody else takes what there is.
    assert.throws(() => {
      writeFileSync(other, Buffer.alloc(64 * mib, 1));
    }, /ENOSPC/);
    const said = sayings(daemon, "disk_full");
    await stage.publish(2000);
    await stage.until(() => sayings(daemon, "disk_full") > said, daemon, "a word about the full disk");
    await stage.until(() => statSync(ballast).size === 0, daemon, "the ballast to be given up");
    if (whenFull === "drop_oldest") {
      const { acknowledged } = stage.traffic;
      const isTaken = (): boolean => acknowledged.length >= stage.publishedCount;
      await stage.until(isTaken, daemon, "PUBACKs for all of them, on a full disk");
    }
    assert.ok(unsettledCount(dir) > 0);
    rmSync(other);
    influxProxy.refuse(false);
    await stage.until(() => statSync(ballast).size > mib, daemon, "ballast again");
    await daemon.said("the disk of the journal has room again", deadlineMs);
    await stage.untilSettled(daemon);
  }
  await stage.publish(100);
  await stage.settleAndStop(daemon);
  const verdict = await stage.verdict();
  const { evicted } = verdict.buffer.stats.pending;
  if (whenFull === "stop_acking") assert.equal(evicted, 0, "nothing is dropped");
  else {
    assertSeen(evicted, verdict.gone, "evicted");
    assertSeen(verdict.written, 100 * (rounds + 1), "written: not everything is dropped");
  }
  return {
    verdict,
    proof: `ENOSPC ${rounds} times, ballast given up and made again; ${evicted} evicted by \`buffer stats\``,
  };
}

function sayings(daemon: Program, code: string): number {
  return daemon.log.filter((line) => line["code"] === code).length;
}

export const failingSyncs: Scenario = {
  fault: "EIO on fsync",
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    const stage = await ProofStage.open(t, { seed: 403 });
    if (stage === undefined) return undefined;
    const random = new Random(403, 1);
    let flow: Flow | undefined;
    let rounds = 0;
    let injected = 0;
    let refused = 0;
    for (; effort.wants(rounds, 1); rounds += 1) {
      const daemon = await stage.startAndWait();
      flow ??= stage.flow(300);
      const tracing = await inject(t, daemon.pid, `fsync:error=EIO:when=${random.integer(1, 8)}`);
      if (tracing === undefined) return undefined;
      await failed(daemon, stage);
      await tracing.stop();
      injected += tracing.injected();
      await waitFor(() => stage.mqttProxy.open === 0, {
        timeoutMs: deadlineMs,
        what: "the connection to end",
      });
      const connection = stage.traffic.delivered.at(-1)?.connection ?? 0;
      refused += stage.traffic.outstanding(connection);
    }
    await flow?.stop();
    await stage.settleAndStop(await stage.startAndWait());
    assertSeen(injected, rounds, "fsyncs that failed");
    assertSeen(refused, rounds, "messages without PUBACK");
    return {
      verdict: await stage.verdict(),
      proof: `${injected} fsyncs failed in ${rounds} lives; ${refused} messages had no PUBACK then`,
    };
  },
};

export const damagedPages: Scenario = {
  fault: "damaged pages in the journal",
  mayDrop: true,
  run: async (t: TestContext, effort: Effort): Promise<Outcome | undefined> => {
    const stage = await ProofStage.open(t, { seed: 404 });
    if (stage === undefined) return undefined;
    let rounds = 0;
    let unreadable = 0;
    let salvaged = 0;
    for (; effort.wants(rounds, 1); rounds += 1) {
      stage.influxProxy.refuse(true);
      stage.influxProxy.dropConnections();
      const before = committedCount(stage.dir);
      const first = await stage.startAndWait();
      const from = stage.publishedCount;
      await stage.publish(3000);
      await stage.untilCommitted(before + 3000, first);
      await stage.stop(first);
      // Under the next one, which has read no further than it can hold.
      const second = await stage.startAndWait();
      damage(stage, [from + 2000, from + 2001, from + 2700]);
      stage.influxProxy.refuse(false);
      await failed(second, stage, "journal_damaged");
      const third = await stage.startAndWait();
      await stage.untilCode("database_moved_aside", third);
      const { recovered, lost } = salvage(await stage.untilCode("journal_salvaged", third));
      unreadable += lost;
      salvaged += recovered;
      await stage.publish(50);
      await stage.settleAndStop(third);
    }
    const aside = readdirSync(stage.dir).filter((name) => name.includes("unusable"));
    assertSeen(aside.filter((name) => name.endsWith(".salvaged")).length, 1, "damaged files are kept");
    const verdict = await stage.verdict(unreadable);
    return {
      verdict,
      proof: `${3 * rounds} pages with unsent messages; ${salvaged} salvaged, ${unreadable} said to be beyond rescue`,
    };
  },
};

/** What the daemon says of it. */
function salvage({ msg }: Readonly<Record<string, unknown>>): { recovered: number; lost: number } {
  const said = String(msg);
  const figures = /: (\d+) of (\d+) messages .* (\d+) could not/.exec(said) ?? [];
  const [, recovered = 0, total = 0, lost = 0] = figures.map(Number);
  assert.ok(lost > 0 && lost < 3 * mostOnPage, `messages beyond rescue: ${said}`);
  assert.equal(recovered + lost, total, said);
  return { recovered, lost };
}

/** The pages in which these events begin are overwritten; they must be in the file, and not be sent yet. */
function damage({ dir, published }: ProofStage, indexes: readonly number[]): void {
  const file = join(dir, "journal.db");
  const bytes = readFileSync(file);
  const fd = openSync(file, "r+");
  for (const index of indexes) {
    const payload = published[index]?.message.payload ?? assert.fail(`there is no event ${index}`);
    const at = bytes.indexOf(payload.subarray(0, 60));
    assert.ok(at >= 0, "the event is in the journal");
    writeSync(fd, Buffer.alloc(pageBytes, 0xff), 0, pageBytes, Math.floor(at / pageBytes) * pageBytes);
  }
  closeSync(fd);
}
