import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import {
  conn,
  devEui,
  minuteMs,
  received,
  renamed,
  startMs,
  stats,
  timeMark,
  uplink,
} from "./project-events.ts";
import {
  dataFolder,
  distinctRows,
  journalled,
  live,
  type LifeOptions,
  ownRows,
  rowText,
  start,
  storedRegistry,
} from "./project-fixture.ts";

async function projected(
  t: TestContext,
  messages: readonly IncomingMessage[],
  options: LifeOptions = {},
): Promise<{ readonly dir: string; readonly rows: Point[] }> {
  const dir = dataFolder(t);
  journalled(dir, messages);
  await live(t, dir, options);
  return { dir, rows: ownRows(dir) };
}

function field(point: Point | undefined, name: string): unknown {
  return point?.fields.find((each) => each.name === name)?.value;
}

function tag(point: Point | undefined, name: string): string | undefined {
  return point?.tags.find((each) => each.name === name)?.value;
}

function ofTable(rows: readonly Point[], table: string): Point[] {
  return rows.filter((row) => row.table === table);
}

function ns(ms: number): bigint {
  return BigInt(ms) * 1_000_000n;
}

function execute(dir: string, file: string, sql: string): void {
  const database = new Database(join(dir, file));
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

function newestSeq(dir: string): number {
  const database = new Database(join(dir, "journal.db"), { readonly: true });
  try {
    return Number(database.prepare("SELECT max(seq) FROM message").pluck().get());
  } finally {
    database.close();
  }
}

function removeDatabase(dir: string, name: string): void {
  for (const suffix of [".db", ".db-wal", ".db-shm", ".id"])
    rmSync(join(dir, name + suffix), { force: true });
}

describe("rows that follow from messages", () => {
  test("a new device, a renamed one and the first event of a day make a row at the event's own time", async (t) => {
    const times = [0, 10, 20, 24 * 60, 24 * 60 + 10].map((minute) => startMs + minute * minuteMs);
    const ups = times.map((atMs, index) => uplink(1, atMs, index));
    const [first, second, third, ...nextDay] = ups;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const events = [first, second, renamed(third, "moved"), ...nextDay.map((up) => renamed(up, "moved"))];
    const { rows } = await projected(
      t,
      events.map((up, index) => received(up, times[index] ?? 0)),
    );
    const devices = ofTable(rows, "device");
    assert.deepEqual(
      devices.map(({ timeNs }) => timeNs),
      [0, 2, 3].map((index) => ns(times[index] ?? 0) + 123n),
    );
    assert.deepEqual(
      devices.map((row) => field(row, "device_name")),
      ["sensor 1", "moved", "moved"],
    );
    assert.deepEqual(devices[0]?.tags, [
      { name: "dev_eui", value: devEui(1) },
      { name: "application_id", value: "a-1" },
      { name: "site", value: "barn" },
      { name: "room", value: "r1" },
    ]);
  });

  test("a gateway that comes or goes makes a row at the time of receipt, one that says it again does not", async (t) => {
    const said = [true, true, false, true].map((online, n) => received(conn(online), startMs + n * 1000));
    const { rows } = await projected(t, said);
    const events = ofTable(rows, "gateway_event");
    assert.deepEqual(
      events.map((row) => [field(row, "online"), row.timeNs, tag(row, "event")]),
      [
        // And a nanosecond for each message of the log, so that no two are received at once.
        [true, ns(startMs + 500) + 1n, "conn"],
        [false, ns(startMs + 2500) + 3n, "conn"],
        [true, ns(startMs + 3500) + 4n, "conn"],
      ],
    );
  });

  test("statistics become one row for five minutes once a message was received after their end", async (t) => {
    const sent = Array.from({ length: 10 }, (_, n) => startMs + n * 30_000);
    const messages = sent.map((atMs) => received(stats(atMs), atMs));
    const { dir, rows } = await projected(t, [...messages, timeMark(startMs + 5.25 * minuteMs)]);
    assert.deepEqual(ofTable(rows, "gateway_stats"), [], "another message of this bucket could still come");
    assert.equal(storedRegistry(dir).sums.length, 1);
    journalled(dir, [timeMark(startMs + 5.5 * minuteMs)]);
    await live(t, dir);
    const [row, ...others] = ofTable(ownRows(dir), "gateway_stats");
    assert.deepEqual(others, []);
    assert.equal(row?.timeNs, ns(startMs));
    assert.deepEqual([field(row, "rx_received"), field(row, "stats_count")], [100, 10]);
    assert.equal(storedRegistry(dir).sums.length, 0);
  });

  test("a copy of statistics counts once, in the same slot and in a later one", async (t) => {
    const once = received(stats(startMs + 1000), startMs + 1000);
    const twice = received(stats(startMs + 31_000), startMs + 31_000);
    const again = { ...once, receivedMs: once.receivedMs + 7 * minuteMs, duplicate: true };
    const { rows } = await projected(t, [
      once,
      { ...once, source: "other-broker" },
      twice,
      { ...once, duplicate: true },
      again,
      timeMark(startMs + 30 * minuteMs),
    ]);
    assert.deepEqual(
      ofTable(rows, "gateway_stats").map((row) => field(row, "stats_count")),
      [2],
    );
  });

  test("retained statistics are not counted, and a retained state of a gateway is no event", async (t) => {
    const retained = { retained: true };
    const { rows } = await projected(t, [
      received(stats(startMs), startMs, retained),
      received(conn(true), startMs, retained),
      timeMark(startMs + 30 * minuteMs),
    ]);
    assert.deepEqual(rows, []);
  });

  test("a retained event without a time of its own tells nothing of its device, one with it does", async (t) => {
    const timed = uplink(2, startMs, 1);
    const untimed = uplink(1, startMs, 1, { timeNs: undefined });
    const { dir, rows } = await projected(t, [
      received(untimed, startMs, { retained: true }),
      received(timed, startMs, { retained: true }),
    ]);
    assert.deepEqual(
      ofTable(rows, "device").map((row) => tag(row, "dev_eui")),
      [timed.device.devEui],
    );
    assert.equal(storedRegistry(dir).devices.length, 1);
  });

  test("what cannot be decoded and our own rows are passed over", async (t) => {
    const { dir, rows } = await projected(t, [
      received("junk", startMs),
      received(uplink(1, startMs, 1), startMs),
      received("junk", startMs),
    ]);
    assert.equal(ofTable(rows, "device").length, 1);
    const { devices, gateways, position } = storedRegistry(dir);
    assert.equal(devices.length, 1);
    assert.equal(gateways.length, 2, "those that heard the uplink");
    assert.equal(position?.seq, 4, "three messages and the row that one of them made");
  });

  test("a row goes where its event goes: source, tenant and application", async (t) => {
    const messages = [
      received(uplink(1, startMs, 1), startMs, { source: "north" }),
      received(uplink(2, startMs, 1), startMs, { source: "south" }),
    ];
    const dir = dataFolder(t);
    journalled(dir, messages);
    await live(t, dir);
    const database = new Database(join(dir, "journal.db"), { readonly: true });
    const payloads = database
      .prepare("SELECT payload FROM message WHERE source = 'flightline'")
      .pluck()
      .all();
    database.close();
    const facts = payloads.map((payload) => JSON.parse(String(payload)).facts as unknown);
    const application = {
      tenantId: "t-1",
      tenantName: "farm",
      applicationId: "a-1",
      applicationName: "barns",
    };
    assert.deepEqual(facts, [
      { source: "north", ...application },
      { source: "south", ...application },
    ]);
  });
});

describe("a clock that is not trusted", () => {
  test("the projector waits at such a message, and goes on in order with mended times", async (t) => {
    const dir = dataFolder(t);
    const wrongMs = Date.UTC(1970, 0, 1, 0, 5);
    const untimed = { receivedMs: wrongMs, clockTrusted: false, uptimeMs: 20_000.4 };
    journalled(dir, [
      received(uplink(1, startMs, 1), startMs),
      received(conn(true), startMs, untimed),
      received(uplink(2, startMs + minuteMs, 1), startMs + minuteMs),
    ]);
    const clockTrust = { mayRelease: false };
    const life = start(t, dir, { deps: { clockTrust, offsetMs: () => startMs + 10_000 } });
    while (life.projector.deviceCount === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let n = 0; n < 20; n += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(life.projector.deviceCount, 1, "what comes after it waits too");
    assert.ok(life.projector.lag >= 2);
    clockTrust.mayRelease = true;
    life.receive([timeMark(startMs + 2 * minuteMs)]);
    await life.idle();
    await life.stop();
    const [row] = ofTable(ownRows(dir), "gateway_event");
    assert.equal(row?.timeNs, ns(startMs + 30_000) + 2n, "of the second message of the log");
    assert.equal(storedRegistry(dir).devices.length, 2);
  });
});

describe("logs with gaps, and other logs", () => {
  const hour = Array.from({ length: 60 }, (_, minute) => startMs + minute * minuteMs).flatMap((atMs, n) => [
    received(stats(atMs + 1000, { rxReceived: n }), atMs + 1000),
    received(uplink(n % 4, atMs + 2000, n), atMs + 2000),
  ]);
  const hourAndEnd = [...hour, timeMark(startMs + 70 * minuteMs)];

  test("what the quota has evicted is passed over", async (t) => {
    const dir = dataFolder(t);
    journalled(dir, hourAndEnd);
    execute(dir, "journal.db", "DELETE FROM message WHERE seq BETWEEN 20 AND 99");
    const { projector } = await live(t, dir);
    assert.equal(projector.lag, 0);
    assert.equal(projector.missed, 80);
    const sums = ofTable(ownRows(dir), "gateway_stats");
    assert.equal(sums.at(-1)?.timeNs, ns(startMs + 55 * minuteMs));
  });

  test("a sum that a gap cuts through is not made: a row of what is left would replace the whole one", async (t) => {
    for (const savedCount of [0, 20, 61]) {
      const saved = dataFolder(t);
      journalled(saved, hour.slice(0, savedCount));
      await live(t, saved);
      const from = newestSeq(saved) + 1;
      journalled(saved, hourAndEnd.slice(savedCount));
      const whole = dataFolder(t, saved);
      await live(t, whole);
      const rows = new Set(distinctRows(whole));
      for (const [first, last] of [
        [0, 0],
        [0, 9],
        [4, 5],
        [7, 40],
      ] as const) {
        const dir = dataFolder(t, saved);
        execute(
          dir,
          "journal.db",
          `DELETE FROM message WHERE seq BETWEEN ${from + first} AND ${from + last}`,
        );
        const { projector } = await live(t, dir);
        const about = `${savedCount} saved, then ${first} to ${last} gone`;
        const sums = ofTable(ownRows(dir), "gateway_stats").map(rowText);
        for (const sum of sums) assert.ok(rows.has(sum), `${about}: ${sum}`);
        assert.ok(sums.length > 0, `${about}: what comes later is made`);
        assert.ok(projector.statsLeftOut > 0, about);
        const missed = savedCount === 0 && first === 0 ? 0 : last - first + 1;
        assert.equal(projector.missed, missed, `${about}: what was gone before all else is not counted`);
      }
    }
  });

  test("a log whose newest messages are gone is read to its end", async (t) => {
    const dir = dataFolder(t);
    journalled(
      dir,
      hour.map(() => received("junk", startMs)),
    );
    const emptied = "DELETE FROM message WHERE seq > 10; INSERT INTO counter VALUES ('last_seq', 120)";
    execute(dir, "journal.db", emptied);
    const life = start(t, dir);
    for (let n = 0; n < 20; n += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(life.projector.lag, 0);
    await life.stop();
    assert.equal(
      storedRegistry(dir).position?.seq,
      10,
      "of the last message: the next one comes after a gap",
    );
    journalled(dir, [timeMark(startMs)]);
    const { projector } = await live(t, dir);
    assert.deepEqual([projector.lag, projector.missed], [0, 110]);
  });

  test("a clock that was ahead where the log begins does not keep sums from being made for as long", async (t) => {
    const dir = dataFolder(t);
    const aheadMs = startMs + 400 * 24 * 60 * minuteMs;
    journalled(dir, [received("junk", startMs), timeMark(aheadMs), ...hourAndEnd]);
    execute(dir, "journal.db", "DELETE FROM message WHERE seq = 1");
    await live(t, dir);
    const counts = ofTable(ownRows(dir), "gateway_stats").map((row) => Number(field(row, "stats_count")));
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      60,
    );
  });

  test("where the beginning of the log is gone, a sum that it cuts through is not made again", async (t) => {
    const whole = await projected(t, hourAndEnd);
    const rows = new Set(distinctRows(whole.dir));
    let made = 0;
    for (const firstSeq of [2, 12, 23]) {
      const dir = dataFolder(t);
      journalled(dir, hourAndEnd);
      execute(dir, "journal.db", `DELETE FROM message WHERE seq < ${firstSeq}`);
      await live(t, dir);
      const sums = ofTable(ownRows(dir), "gateway_stats").map(rowText);
      for (const sum of sums) assert.ok(rows.has(sum), `from ${firstSeq}: ${sum}`);
      made += sums.length;
    }
    assert.ok(made >= 3 * 8, "the others are");
  });

  test("another journal is read from its beginning, and what is known stays known", async (t) => {
    const { dir } = await projected(t, hour.slice(0, 6));
    const before = storedRegistry(dir);
    removeDatabase(dir, "journal");
    const laterMs = startMs + 120 * minuteMs;
    const later = Array.from({ length: 40 }, (_, n) => received(uplink(n, laterMs + n, 1), laterMs + n));
    journalled(dir, later);
    const { projector } = await live(t, dir);
    const after = storedRegistry(dir);
    assert.ok((before.position?.seq ?? 0) < 40, "a position that the other journal has, too");
    assert.notEqual(after.position?.journalId, before.position?.journalId);
    assert.equal(after.devices.length, 40);
    assert.equal(after.devices[0]?.firstSeenMs, before.devices[0]?.firstSeenMs);
    assert.deepEqual(ofTable(ownRows(dir), "gateway_stats"), [], "it may have been made of more messages");
    assert.equal(projector.statsLeftOut, 3, "those of the sum that was open with the old journal");
  });

  test("a journal that ends before the position, put back from a copy, is read from its beginning", async (t) => {
    const dir = dataFolder(t);
    journalled(dir, hour.slice(0, 10));
    const copy = dataFolder(t, dir);
    journalled(dir, hour.slice(10));
    await live(t, dir);
    removeDatabase(dir, "journal");
    cpSync(copy, dir, { recursive: true });
    const { projector } = await live(t, dir);
    assert.equal(projector.lag, 0);
    const { devices, position } = storedRegistry(dir);
    assert.equal(devices.length, 4);
    assert.ok((position?.seq ?? 0) < 40, "of this journal");
  });
});
