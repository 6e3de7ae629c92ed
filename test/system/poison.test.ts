/**
 * A message that kills its decoder: after two deaths it is quarantined, bytes and all, and everything
 * before and after it is delivered. Nobody is told which message it was; the daemon finds out itself. A copy
 * of it that comes later, as the broker's redelivery would, kills nobody any more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { Account } from "../../src/sandbox/account.ts";
import { database, dataFolder, startDaemon } from "../support/daemon.ts";
import type { Ending, LogLine } from "../support/daemon.ts";
import { readDeadJournal, readQuarantine } from "../support/journal-files.ts";
import type { QuarantinedMessage } from "../support/journal-files.ts";
import { judge } from "../support/judge.ts";
import { publishAll } from "../support/publisher.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import type { Mosquitto } from "../support/mosquitto.ts";
import { makeUplinks } from "../support/fleet-uplinks.ts";
import { deadlineMs, firstLife, ledgerOf, poisonedBy, writePoisonConfig } from "../support/poison.ts";
import { temporaryFolder } from "../support/wait.ts";
import { startWatchedInflux } from "../support/watched-influx.ts";

const uplinkCount = 300;
const poisonIndex = 150;

interface Verdict {
  readonly deaths: readonly Ending[];
  /** What the log says of deaths while decoding and of the copy, over all starts. */
  readonly reports: readonly LogLine[];
  readonly quarantined: readonly QuarantinedMessage[];
  readonly poison: Buffer;
  readonly account: Account;
  readonly unsettled: number;
}

test("a message that kills the process is quarantined after two deaths", async (t) => {
  const verdict = await poisoned(t, "kill");
  assert.deepEqual(verdict?.deaths, [
    { code: null, signal: "SIGKILL" },
    { code: null, signal: "SIGKILL" },
  ]);
});

test("a message that exhausts the heap is quarantined after two deaths", async (t) => {
  const verdict = await poisoned(t, "heap", ["--max-old-space-size=64"]);
  assert.deepEqual(
    verdict?.deaths.map(({ signal }) => signal),
    ["SIGABRT", "SIGABRT"],
  );
});

test("a message whose decoder throws is quarantined after two deaths", async (t) => {
  const verdict = await poisoned(t, "throw");
  assert.deepEqual(verdict?.deaths, [
    { code: 1, signal: null },
    { code: 1, signal: null },
  ]);
});

async function poisoned(
  t: TestContext,
  kind: string,
  nodeOptions: readonly string[] = [],
): Promise<Verdict | undefined> {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return undefined;
  const verdict = await play(broker, kind, nodeOptions);
  const { account, quarantined, poison, reports } = verdict;
  const codes = quarantined.map(({ code }) => code);
  t.diagnostic(
    `${kind}: deaths ${verdict.deaths.map(({ code, signal }) => signal ?? code).join(", ")}; ` +
      `quarantined ${codes.join(", ")}; ${JSON.stringify({ ...account, details: account.details.length })}`,
  );
  assert.deepEqual(codes, ["decode_killed_process", "decode_killed_process"], "the message and its copy");
  for (const { payload } of quarantined) assert.deepEqual(payload, poison, "its bytes are kept");
  assert.match(quarantined[0]?.reason ?? "", /died 2 times/);
  assert.match(quarantined[1]?.reason ?? "", /copy of one that killed/);
  assert.deepEqual(
    reports.map(({ msg }) => /tried once more|quarantined/.exec(String(msg))?.[0]),
    ["tried once more", "quarantined", "quarantined"],
    "each death is reported at the next start, and so is the copy",
  );
  assert.deepEqual(
    { written: account.written, lost: account.lost, invented: account.invented },
    { written: uplinkCount, lost: 0, invented: 0 },
    account.details.join("\n"),
  );
  assert.equal(account.duplicates + account.altered, 0, account.details.join("\n"));
  assert.equal(verdict.unsettled, 0, "nothing is left to be done");
  return verdict;
}

async function play(broker: Mosquitto, kind: string, nodeOptions: readonly string[]): Promise<Verdict> {
  await using folder = await temporaryFolder("poison");
  await using influx = await startWatchedInflux();
  const configFile = writePoisonConfig(folder.path, broker, influx.url);
  const made = makeUplinks({ count: uplinkCount + 1, seed: 4, devices: 50 });
  const uplinks = made.slice(0, uplinkCount);
  const poison = uplinks[poisonIndex];
  const last = made.at(-1);
  assert.ok(poison !== undefined && last !== undefined);
  const options = { ...poisonedBy([poison], kind), nodeOptions };

  const deaths: Ending[] = [];
  const reports: LogLine[] = [];
  const noteReports = (log: readonly LogLine[]): void => {
    reports.push(...log.filter(({ code }) => code === "decode_killed_process"));
  };
  const first = await firstLife(configFile, options, broker, uplinks);
  deaths.push(first.ending);
  noteReports(first.log);
  {
    await using second = startDaemon(configFile, options);
    deaths.push(await second.ended);
    noteReports(second.log);
  }
  const expected = ledgerOf(made.filter((message) => message !== poison));
  await using third = startDaemon(configFile, options);
  const isAlive = (): void => {
    assert.ok(third.isRunning, `the third start ended too:\n${third.stdout}${third.stderr}`);
  };
  await influx.hasWritten(uplinkCount - 1, deadlineMs, isAlive);
  // The last uplink comes after the copy, so that the copy has been looked at when it is written.
  await publishAll({ url: broker.url, messages: [poison, last], window: 1 });
  await influx.hasWritten(uplinkCount, deadlineMs, isAlive);
  assert.deepEqual(await third.stop(), { code: 0, signal: null });
  noteReports(third.log);
  const dir = dataFolder(folder.path);
  const journal = readDeadJournal(dir);
  return {
    deaths,
    reports,
    quarantined: readQuarantine(dir),
    poison: Buffer.from(poison.payload),
    account: await judge({ ledger: expected.entries(), influxUrl: influx.url, database }),
    unsettled: journal.messages.filter(({ seq }) => !journal.isSettled(seq)).length,
  };
}
