/**
 * 100,000 messages through a real broker, nearly all of them hostile: the daemon never stops, and each one is
 * accounted for, by the daemon's own counters, by its files, and by the lines that arrived. Every fiftieth is
 * unharmed and of a device or gateway of its own: of these it is known which rows they become, in which table.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { dataFolder, startDaemon, writeConfig } from "../support/daemon.ts";
import type { Program } from "../support/daemon.ts";
import { isKnown, knownMessages, labelOf, retainedMessages } from "../support/fuzz-corpus.ts";
import type { RowCounts } from "../support/fuzz-corpus.ts";
import { fuzzMessages } from "../support/fuzz-payloads.ts";
import { committedSeq, readDeadJournal, readQuarantine, unsettledCount } from "../support/journal-files.ts";
import { LineSink } from "../support/line-sink.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { publishAll } from "../support/publisher.ts";
import type { Message } from "../support/publisher.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const messageCount = 100_000;
const knownEvery = 50;
const retainedCount = 30;
/** A third of the retained ones; the others are states of gateways. */
const retainedUplinkCount = 10;
const portionCount = 5000;
/** The broker's queue stays below this. */
const mostAhead = 10_000;
const seed = 2026;
/** For each step. */
const deadlineMs = 120_000;
const topics = ["application/#", "eu868/#", "nonsense/#", "ug65/#"];
/** More than the five minutes of gateway statistics, and the half minute for those that come late. */
const laterMs = 360_000;

/** Rows of every event; each is made of mutated messages too, which are of other devices and gateways. */
const labels = [
  "uplink",
  "uplink_rx",
  "telemetry_em300_th",
  "telemetry_unknown",
  "device_event/join",
  "device_event/ack",
  "device_event/txack",
  "device_event/log",
  "device_event/location",
  "device_event/integration",
  "device_status",
  "gateway_event/mesh",
  "gateway_event/conn",
  "gateway_stats",
  "device",
];
/** A message that is written has one row in exactly one of these. */
const oneRowEach = labels.filter((label) =>
  /^(?:uplink|device_status|gateway_event\/mesh|device_event\/.*)$/.test(label),
);

test("100,000 hostile messages never stop the daemon, and each is accounted for", async (t) => {
  const broker = await requireMosquitto(t, {
    extraLines: ["max_queued_messages 50000", "log_type none", "log_type information", "log_type subscribe"],
  });
  if (broker === undefined) return;
  await using folder = await temporaryFolder("fuzz");
  await using sink = await LineSink.start((point) => {
    const label = labelOf(point);
    return isKnown(point) ? [label, `known ${label}`] : [label];
  });
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: broker.url,
    influxUrl: sink.url,
    lines: { "[mqtt]": [`topics = ${JSON.stringify(topics)}`], journal: ['keep_settled = "0s"'] },
  });
  const dir = dataFolder(folder.path);
  await publishAll({ url: broker.url, messages: retainedMessages(retainedCount) });
  const expected: Record<string, number> = {};
  const knownRows = (): Record<string, number> => sink.linesByLabel("known ");
  {
    await using daemon = startDaemon(configFile);
    const subscribed = (): boolean => topics.every((topic) => broker.log().includes(topic));
    await until(daemon, "subscribed to", subscribed);
    const startMs = performance.now();
    const messages = stream(expected);
    for (let published = 0; published < messageCount; published += portionCount) {
      await until(daemon, "committed", () => committedSeq(dir) >= published - mostAhead);
      await publishAll({ url: broker.url, messages: portion(messages), window: 500 });
    }
    // The last message is a known one: when its rows are there, all before it have been looked at.
    const { gateway_stats: later, ...sooner } = expected;
    assert.ok(later !== undefined && later > 0);
    await untilThere(t, daemon, () => covers(knownRows(), sooner));
    await until(daemon, "settled", () => unsettledCount(dir) === 0);
    t.diagnostic(`${messageCount} messages in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout + daemon.stderr);
    assert.equal(daemon.stderr, "");
    const { gateway_stats: _, ...found } = knownRows();
    assert.deepEqual(found, sooner, "rows of the known messages");
    assertAccount(t, await daemon.said("status"), sink, dir);
  }
  await using daemon = startDaemon(configFile, { nodeOptions: clockAhead(laterMs) });
  // The sums may have closed in the first life already: this one must hear the signal all the same.
  await daemon.said("flightline ");
  await publishAll({ url: broker.url, messages: [{ topic: "nonsense/end", payload: "end" }] });
  await untilThere(t, daemon, () => covers(knownRows(), expected));
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout + daemon.stderr);
  assert.deepEqual(knownRows(), expected, "rows of the known messages, and the sums of their statistics");
  assert.deepEqual(sink.refused, [], "every line that is sent is one that InfluxDB takes");
  for (const label of labels) {
    assert.ok(sink.lines(label) > (expected[label] ?? 0), `mutated messages reach "${label}"`);
  }
});

function assertAccount(
  t: TestContext,
  status: Readonly<Record<string, unknown>>,
  sink: LineSink,
  dir: string,
): void {
  const count = (name: string): number => Number(status[name] ?? 0);
  const journal = readDeadJournal(dir);
  const quarantined = readQuarantine(dir);
  const codes = new Map<string, number>();
  for (const { code } of quarantined) codes.set(code, (codes.get(code) ?? 0) + 1);
  t.diagnostic(JSON.stringify(status));
  t.diagnostic(`quarantine: ${JSON.stringify(Object.fromEntries(codes))}`);
  t.diagnostic(`${sink.writes} writes: ${JSON.stringify(sink.linesByLabel())}`);

  assert.equal(count("received"), messageCount + retainedCount);
  assert.equal(count("committed"), messageCount + retainedCount);
  assert.ok(journal.lastSeq > messageCount + retainedCount, "the daemon's own rows are messages, too");
  assert.equal(journal.unsettledCount, 0, "each message is settled");
  assert.equal(count("held"), 0);
  const parts = ["written", "quarantined", "notMapped", "duplicates", "projected"];
  const sum = [...parts, "retainedUntimed"].reduce((total, part) => total + count(part), 0);
  assert.equal(sum, messageCount + retainedCount, "each message has ended in one way");
  assert.equal(count("retainedUntimed"), retainedUplinkCount);
  const rows = oneRowEach.reduce((total, label) => total + sink.lines(label), 0);
  assert.equal(rows, count("written"), "one row for each that counts as written, beside those of its parts");
  assert.equal(
    quarantined.length,
    count("quarantined") - count("quarantineEvicted"),
    "what is quarantined is there",
  );
  for (const part of parts) assert.ok(count(part) > 1000, `the fuzzer reaches "${part}"`);
}

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

/** Hostile messages, and known ones between them, whose rows are added to `expected`. */
function* stream(expected: Record<string, number>): Generator<Message> {
  const known = knownMessages();
  const hostile = fuzzMessages(seed);
  for (let n = 1; n <= messageCount; n += 1) {
    if (n % knownEvery > 0) yield hostile.next().value;
    else {
      const { rows, ...message } = known.next().value;
      add(expected, rows);
      yield message;
    }
  }
}

function add(sums: Record<string, number>, rows: RowCounts): void {
  for (const [label, count] of Object.entries(rows)) sums[label] = (sums[label] ?? 0) + count;
}

/** `take` would end the generator with its first portion. */
function* portion(messages: Iterator<Message>): Generator<Message> {
  for (let n = 0; n < portionCount; n += 1) {
    const next = messages.next();
    if (next.done === true) return;
    yield next.value;
  }
}

function covers(found: RowCounts, wanted: RowCounts): boolean {
  return Object.entries(wanted).every(([label, count]) => (found[label] ?? 0) >= count);
}

async function until(daemon: Program, what: string, condition: () => boolean): Promise<void> {
  await waitFor(
    () => {
      assert.ok(daemon.isRunning, `the daemon has stopped:\n${daemon.stdout}${daemon.stderr}`);
      return condition();
    },
    { timeoutMs: deadlineMs, everyMs: 50, what: `messages to be ${what}` },
  );
}

/** Returns also when they do not come: the comparison tells which they are. */
async function untilThere(t: TestContext, daemon: Program, areThere: () => boolean): Promise<void> {
  const giveUpMs = performance.now() + deadlineMs - 10_000;
  await until(daemon, "written", () => areThere() || performance.now() > giveUpMs);
  if (!areThere()) t.diagnostic("some rows did not come");
}

/** Options of Node.js under which the wall clock is ahead. */
function clockAhead(ms: number): string[] {
  const source = `const now = Date.now; Date.now = () => now() + ${ms};`;
  return ["--import", `data:text/javascript,${encodeURIComponent(source)}`];
}
