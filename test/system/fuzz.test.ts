/**
 * 100,000 hostile messages through a real broker: the daemon never stops, and each one is accounted for,
 * by the daemon's own counters, by its files, and by the lines that arrived.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dataFolder, startDaemon, writeConfig } from "../support/daemon.ts";
import type { Program } from "../support/daemon.ts";
import { fuzzMessages } from "../support/fuzz-payloads.ts";
import { committedSeq, settledCount, readDeadJournal, readQuarantine } from "../support/journal-files.ts";
import { LineSink } from "../support/line-sink.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { publishAll } from "../support/publisher.ts";
import type { Message } from "../support/publisher.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const messageCount = 100_000;
const portionCount = 5000;
/** The broker's queue stays below this. */
const mostAhead = 10_000;
const seed = 2026;

test("100,000 hostile messages never stop the daemon, and each is accounted for", async (t) => {
  const broker = await requireMosquitto(t, {
    extraLines: ["max_queued_messages 50000", "log_type none", "log_type information", "log_type subscribe"],
  });
  if (broker === undefined) return;
  await using folder = await temporaryFolder("fuzz");
  await using sink = await LineSink.start();
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: broker.url,
    influxUrl: sink.url,
    lines: {
      "[mqtt]": ['topics = ["application/#", "eu868/#", "nonsense/#"]'],
      journal: ['keep_settled = "0s"'],
    },
  });
  const dir = dataFolder(folder.path);
  await using daemon = startDaemon(configFile);
  await waitFor(() => broker.log().includes("nonsense/#") || !daemon.isRunning, {
    timeoutMs: 20_000,
    what: "the subscriptions",
  });

  const startMs = performance.now();
  const messages = fuzzMessages(seed, messageCount);
  for (let published = 0; published < messageCount; published += portionCount) {
    await until(daemon, "committed", () => committedSeq(dir) >= published - mostAhead);
    await publishAll({ url: broker.url, messages: portion(messages), window: 500 });
  }
  await until(daemon, "settled", () => settledCount(dir) >= messageCount);
  const seconds = (performance.now() - startMs) / 1000;
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout + daemon.stderr);

  const status = await daemon.said("status");
  const count = (name: string): number => Number(status[name]);
  const journal = readDeadJournal(dir);
  const quarantined = readQuarantine(dir);
  const codes = new Map<string, number>();
  for (const { code } of quarantined) codes.set(code, (codes.get(code) ?? 0) + 1);
  t.diagnostic(`${messageCount} messages in ${seconds.toFixed(1)} s: ${JSON.stringify(status)}`);
  t.diagnostic(`quarantine: ${JSON.stringify(Object.fromEntries(codes))}`);
  t.diagnostic(
    `sink: ${sink.writes} writes, ${sink.linesByTable.size} tables, ${sink.lines("uplink")} rows of uplink, ` +
      `${sink.refused.length} lines refused`,
  );

  assert.equal(daemon.stderr, "");
  assert.deepEqual(sink.refused, [], "every line that is sent is one that InfluxDB takes");
  assert.equal(count("received"), messageCount);
  assert.equal(count("committed"), messageCount);
  assert.equal(journal.lastSeq, messageCount);
  assert.equal(journal.settledCount, messageCount, "everything is settled");
  assert.equal(count("backlog"), 0);
  assert.equal(count("held"), 0);
  const sum = count("written") + count("quarantined") + count("notMapped") + count("duplicates");
  assert.equal(sum, messageCount, "written + quarantined + not mapped + duplicates");
  assert.equal(sink.lines("uplink"), count("written"), "one row of uplink for each that counts as written");
  assert.equal(quarantined.length, count("quarantined"), "what is quarantined is there");
  for (const part of ["written", "quarantined", "notMapped", "duplicates"]) {
    assert.ok(count(part) > 1000, `the fuzzer reaches "${part}"`);
  }
});

test("the sink refuses what InfluxDB refuses", async () => {
  await using sink = await LineSink.start();
  const write = async (body: string): Promise<number> =>
    (await fetch(`${sink.url}/api/v3/write_lp?db=x`, { method: "POST", body })).status;
  assert.equal(await write('uplink,dev_eui=1 a=1,b="two" 1700000000000000000'), 204);
  for (const bad of [
    "uplink a=1,a=2 1",
    "uplink,a=1 a=1 1",
    "uplink time=1i 1",
    "uplink a= 1",
    "uplink,b=c\\ a=1 1",
  ]) {
    assert.equal(await write(bad), 400, bad);
  }
  assert.equal(sink.refused.length, 5);
  assert.equal(sink.lines("uplink"), 1);
});

/** `take` would end the generator with its first portion. */
function* portion(messages: Iterator<Message>): Generator<Message> {
  for (let n = 0; n < portionCount; n += 1) {
    const next = messages.next();
    if (next.done === true) return;
    yield next.value;
  }
}

async function until(daemon: Program, what: string, condition: () => boolean): Promise<void> {
  await waitFor(
    () => {
      assert.ok(daemon.isRunning, `the daemon has stopped:\n${daemon.stdout}${daemon.stderr}`);
      return condition();
    },
    { timeoutMs: 60_000, everyMs: 50, what: `messages to be ${what}` },
  );
}
