import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import {
  conn,
  minuteMs,
  received,
  renamed,
  startMs,
  stats,
  status,
  timeMark,
  uplink,
} from "./project-events.ts";
import {
  dataFolder,
  distinctRows,
  journalled,
  live,
  ownRows,
  rowKey,
  storedRegistry,
} from "./project-fixture.ts";

function fromBackup(messages: readonly IncomingMessage[], atMs: number): IncomingMessage[] {
  return messages
    .slice(60, 120)
    .filter(({ topic }) => topic === "gateway/stats")
    .map((message) => ({ ...message, source: "backup", receivedMs: atMs + 13_000 }));
}

function saidAgain(atMs: number, isGone: boolean): IncomingMessage[] {
  const states = isGone ? [true, false] : [false, true, false, true];
  return states.map((online) => received(conn(online), atMs, { duplicate: true }));
}

/** An hour around midnight (UTC) in the life of five devices and two gateways. */
function evening(): IncomingMessage[] {
  const messages: IncomingMessage[] = [];
  const firstMs = startMs - 30 * minuteMs;
  for (let minute = 0; minute < 65; minute += 1) {
    const atMs = firstMs + minute * minuteMs;
    const n = minute % 10;
    // The wall clock is put back by three minutes for a while; the time since boot is not.
    const shift = minute >= 40 && minute < 46 ? -3 * minuteMs : 0;
    const inPast = { receivedMs: atMs + 500 + shift };
    if (n < 5) {
      const up = uplink(n, atMs, minute);
      messages.push(received(minute >= 50 && n === 2 ? renamed(up, "moved") : up, atMs, inPast));
    }
    for (const gatewayId of ["0016c001f1500001", "0016c001f1500002"]) {
      messages.push(received(stats(atMs + 7000, { gatewayId, rxReceived: minute }), atMs + 7000, inPast));
    }
    if (minute % 17 === 3) messages.push(received(conn(minute % 34 === 3), atMs + 9000));
    if (minute % 25 === 4) messages.push(received(status(3, atMs + 9000, 100 - minute), atMs + 9000));
    // Statistics that a gateway had kept for half an hour, and copies of others that the broker sends again.
    if (minute === 48) messages.push(received(stats(atMs - 33 * minuteMs), atMs + 10_000));
    const copy = messages.at(-3);
    if (minute % 31 === 30 && copy !== undefined) messages.push({ ...copy, duplicate: true });
    if (minute % 40 === 5) messages.push(received("junk", atMs));
    // A second broker hands out what it had kept, the first one delivers states again, of which some are news.
    if (minute === 55) messages.push(...fromBackup(messages, atMs));
    if (minute % 20 === 11) messages.push(...saidAgain(atMs + 11_000, minute > 40));
    // A gateway that does not know the year.
    const lost = stats(Date.UTC(2012, 0, 1) + n * 30_000, { gatewayId: "0016c001f1500003" });
    if (minute > 20 && minute < 50) messages.push(received(lost, atMs + 12_000, { duplicate: minute > 30 }));
  }
  return messages;
}

function prepared(t: TestContext): string {
  const dir = dataFolder(t);
  journalled(dir, [...evening(), timeMark(startMs + 36 * minuteMs)]);
  return dir;
}

/** Every read is followed by a save. */
const savesOften = { perReadMs: 301_000 };

test("a crash at any step changes neither a record nor a row", async (t) => {
  const pristine = prepared(t);
  const calm = dataFolder(t, pristine);
  await live(t, calm, savesOften);
  const rows = distinctRows(calm);
  const registry = storedRegistry(calm);
  assert.equal(new Set(ownRows(calm).map(rowKey)).size, rows.length, "no row has two versions");
  for (const table of ["device", "gateway_stats", "gateway_event"]) {
    assert.ok(
      rows.some((row) => row.startsWith(`["${table}"`)),
      table,
    );
  }

  let repeated = 0;
  let crashes = 0;
  for (let crashAt = 1; ; crashAt += 1) {
    const dir = dataFolder(t, pristine);
    const first = await live(t, dir, { ...savesOften, crashAt });
    // How many commits there are is a matter of time: the last step may be one more or less.
    if (first.steps < crashAt) break;
    crashes += 1;
    await live(t, dir, savesOften);
    assert.deepEqual(distinctRows(dir), rows, `rows after a crash at step ${crashAt}`);
    const { devices, gateways, sums } = storedRegistry(dir);
    assert.deepEqual(devices, registry.devices, `devices after a crash at step ${crashAt}`);
    assert.deepEqual(gateways, registry.gateways, `gateways after a crash at step ${crashAt}`);
    assert.deepEqual(sums, registry.sums, `open sums after a crash at step ${crashAt}`);
    repeated += Number(ownRows(dir).length > rows.length);
  }
  assert.ok(crashes > 15, `${crashes} crashes`);
  assert.ok(repeated > 0, "some crashes fell between the commit of rows and the save");
});

test("a registry that is lost is rebuilt from the log, and its rows are the same again", async (t) => {
  const dir = dataFolder(t);
  const messages = evening();
  // As they came in, with a stop now and then.
  for (let at = 0; at < messages.length; at += 50) {
    journalled(dir, messages.slice(at, at + 50));
    await live(t, dir);
  }
  const grown = storedRegistry(dir);
  const rows = distinctRows(dir);
  assert.ok(grown.sums.length > 0, "sums are open at the end");
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(dir, `state.db${suffix}`), { force: true });
  await live(t, dir);
  const rebuilt = storedRegistry(dir);
  assert.deepEqual(rebuilt.devices, grown.devices);
  assert.deepEqual(rebuilt.gateways, grown.gateways);
  assert.deepEqual(rebuilt.sums, grown.sums);
  assert.deepEqual(distinctRows(dir), rows);
});
