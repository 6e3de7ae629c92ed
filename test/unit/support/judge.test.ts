import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Fleet } from "../../../src/sandbox/devices/fleet.ts";
import { startInfluxStandIn } from "../../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn } from "../../../src/sandbox/influxdb/server.ts";
import { MemoryLedger } from "../../../src/sandbox/ledger.ts";
import type { PublishedUplink } from "../../../src/sandbox/ledger.ts";
import { judge } from "../../support/judge.ts";

/**
 * The rows of a perfect daemon, as line protocol by row key; each test plants one mistake in them and
 * demands that the judge sees it. Written here by hand: neither the judge's nor the daemon's code.
 */
type Rows = Map<string, string>;

let influx: InfluxStandIn;
let databases = 0;

before(async () => {
  influx = await startInfluxStandIn({
    flushIntervalMs: 1,
    limits: { databases: 1000, tables: 100_000, columnsPerTable: 500 },
  });
});

after(async () => {
  await influx.stop();
});

const uplinks: readonly PublishedUplink[] = (() => {
  const fleet = new Fleet({ seed: 3, deviceCount: 10, intervalMs: 1000, startMs: Date.UTC(2026, 10, 22, 8) });
  const found: PublishedUplink[] = [];
  while (found.length < 60) found.push(...fleet.step().flatMap(({ uplink }) => uplink ?? []));
  return found;
})();

function ledgerOf(
  facts: readonly PublishedUplink[],
  withoutPuback: readonly PublishedUplink[] = [],
): MemoryLedger {
  const ledger = new MemoryLedger();
  for (const uplink of facts) {
    ledger.published(uplink);
    if (!withoutPuback.includes(uplink)) ledger.acknowledged(uplink.deduplicationId);
  }
  return ledger;
}

function perfectRows(facts: readonly PublishedUplink[]): Rows {
  const rows: Rows = new Map();
  for (const uplink of facts) {
    const { deduplicationId, devEui, applicationId, timeNs, receptions, leaves } = uplink;
    const tags = `dev_eui=${devEui},application_id=${applicationId}`;
    const rssi = receptions.map(({ rssiDbm }) => rssiDbm).sort((a, b) => b - a)[0];
    const snr = receptions.map(({ snrDb }) => snrDb).sort((a, b) => b - a)[0];
    rows.set(
      `uplink ${deduplicationId}`,
      `uplink,${tags} deduplication_id="${deduplicationId}",f_cnt=${uplink.fCnt}i,f_port=${uplink.fPort}i,` +
        `dr=${uplink.dr}i,spreading_factor=${uplink.spreadingFactor}i,gateway_count=${receptions.length}i,` +
        `rssi=${rssi}i,snr=${snr} ${timeNs}`,
    );
    for (const { gatewayId, rssiDbm, snrDb } of receptions) {
      const fields = `rssi=${rssiDbm}i,snr=${Math.fround(snrDb)}`;
      rows.set(
        `uplink_rx ${deduplicationId} ${gatewayId}`,
        `uplink_rx,${tags},gateway_id=${gatewayId} ${fields} ${timeNs}`,
      );
    }
    if (leaves.size === 0) continue;
    const fields = [...leaves].map(
      ([name, value]) => `${name}=${typeof value === "string" ? `"${value}"` : value}`,
    );
    const table = `telemetry_${uplink.profileName.toLowerCase().replace(" ", "_")}`;
    rows.set(
      `telemetry ${deduplicationId}`,
      `${table},${tags} ${fields.join(",")},f_cnt=${uplink.fCnt}i,f_port=${uplink.fPort}i ${timeNs}`,
    );
  }
  return rows;
}

/** Writes the rows into a new database and judges them; the counts, in this order. */
async function verdict(rows: Rows, ledger: MemoryLedger): Promise<readonly [string, readonly string[]]> {
  databases += 1;
  const database = `judge_${databases}`;
  const response = await fetch(`${influx.url}/api/v3/write_lp?db=${database}&precision=nanosecond`, {
    method: "POST",
    body: [...rows.values()].join("\n"),
  });
  assert.equal(response.status, 204, await response.text());
  const { details, ...counts } = await judge({ ledger: ledger.entries(), influxUrl: influx.url, database });
  const { published, obliged, written, lost, invented, altered, duplicates } = counts;
  return [
    `published ${published} obliged ${obliged} written ${written} lost ${lost} ` +
      `invented ${invented} altered ${altered} duplicates ${duplicates}`,
    details,
  ];
}

function first(predicate: (uplink: PublishedUplink) => boolean): PublishedUplink {
  const found = uplinks.find(predicate);
  assert.ok(found !== undefined);
  return found;
}

const someUplink = first((uplink) => uplink.leaves.has("temperature") && uplink.receptions.length > 1);
const uplinkKey = `uplink ${someUplink.deduplicationId}`;
const receptionKey = `uplink_rx ${someUplink.deduplicationId} ${someUplink.receptions[0]?.gatewayId}`;
const telemetryKey = `telemetry ${someUplink.deduplicationId}`;

function rowOf(rows: Rows, key: string): string {
  const row = rows.get(key);
  assert.ok(row !== undefined, `there is a row ${key}`);
  return row;
}

async function afterChange(change: (rows: Rows) => void): Promise<readonly [string, readonly string[]]> {
  const rows = perfectRows(uplinks);
  const before = [...rows].join();
  change(rows);
  assert.notEqual([...rows].join(), before, "the mistake was planted");
  return await verdict(rows, ledgerOf(uplinks));
}

test("what was written in full and once is in order", async () => {
  const [counts, details] = await verdict(perfectRows(uplinks), ledgerOf(uplinks));
  assert.equal(counts, "published 60 obliged 60 written 60 lost 0 invented 0 altered 0 duplicates 0");
  assert.deepEqual(details, []);
});

test("nothing written at all is everything lost, also where the database does not exist", async () => {
  const ledger = ledgerOf(uplinks).entries();
  const { lost, written } = await judge({ ledger, influxUrl: influx.url, database: "nobody_was_here" });
  assert.deepEqual([lost, written], [60, 0]);
});

test("an event without its row in any of the tables is lost", async () => {
  for (const key of [uplinkKey, receptionKey, telemetryKey]) {
    const [counts, details] = await afterChange((rows) => rows.delete(key));
    assert.equal(counts, "published 60 obliged 60 written 59 lost 1 invented 0 altered 0 duplicates 0");
    assert.match(details.join(), new RegExp(someUplink.deduplicationId));
  }
});

test("an event without PUBACK may be absent, but not in part and not altered", async () => {
  const ledger = ledgerOf(uplinks, [someUplink]);
  const absent = perfectRows(uplinks.filter((uplink) => uplink !== someUplink));
  const [counts] = await verdict(absent, ledger);
  assert.equal(counts, "published 60 obliged 59 written 59 lost 0 invented 0 altered 0 duplicates 0");
  const partly = perfectRows(uplinks);
  partly.delete(telemetryKey);
  const [partCounts] = await verdict(partly, ledger);
  assert.equal(partCounts, "published 60 obliged 59 written 59 lost 1 invented 0 altered 0 duplicates 0");
});

test("a differing value is altered, in every column", async () => {
  const changes: readonly (readonly [string, RegExp, string])[] = [
    [uplinkKey, /f_cnt=\d+i/, "f_cnt=77777i"],
    [uplinkKey, /f_port=\d+i/, "f_port=222i"],
    [uplinkKey, /dr=\d+i/, "dr=9i"],
    [uplinkKey, /spreading_factor=\d+i/, "spreading_factor=6i"],
    [uplinkKey, /gateway_count=\d+i/, "gateway_count=9i"],
    [uplinkKey, /rssi=-\d+i/, "rssi=1i"],
    [uplinkKey, /,snr=[-.\d]+/, ",snr=99"],
    [uplinkKey, /,snr=[-.\d]+/, ""],
    [uplinkKey, /application_id=[-\w]+/, "application_id=x"],
    [receptionKey, /rssi=-\d+i/, "rssi=1i"],
    [receptionKey, /snr=[-.\d]+/, "snr=99"],
    [telemetryKey, /temperature=[-.\d]+/, "temperature=99.9"],
    [telemetryKey, /,f_cnt=\d+i/, ",f_cnt=77777i"],
    [telemetryKey, /,f_port=\d+i/, ""],
  ];
  for (const [key, pattern, replacement] of changes) {
    const [counts] = await afterChange((rows) =>
      rows.set(key, rowOf(rows, key).replace(pattern, replacement)),
    );
    assert.equal(
      counts,
      "published 60 obliged 60 written 60 lost 0 invented 0 altered 1 duplicates 0",
      `${key} ${pattern.source}`,
    );
  }
});

test("a value that leaked from another event's payload is altered", async () => {
  const noBattery = first((uplink) => uplink.profileName === "Climate" && !uplink.leaves.has("battery"));
  first((uplink) => uplink.profileName === "Climate" && uplink.leaves.has("battery"));
  const key = `telemetry ${noBattery.deduplicationId}`;
  const [counts] = await afterChange((rows) => rows.set(key, rowOf(rows, key).replace(" ", " battery=55,")));
  assert.match(counts, /lost 0 invented 0 altered 1 duplicates 0/);
});

test("an event at another time is altered, and at two times a duplicate", async () => {
  const later = String(someUplink.timeNs + 1n);
  const moved = (row: string): string => row.replace(/\d+$/, later);
  const [counts] = await afterChange((rows) => rows.set(uplinkKey, moved(rowOf(rows, uplinkKey))));
  assert.match(counts, /lost 0 invented 0 altered 1 duplicates 0/);
  const [twice] = await afterChange((rows) => rows.set("copy", moved(rowOf(rows, uplinkKey))));
  assert.match(twice, /written 60 lost 0 invented 0 altered 1 duplicates 1/);
});

test("a row in a second series, by one more tag, is a duplicate in each table", async () => {
  for (const key of [uplinkKey, receptionKey, telemetryKey]) {
    const [counts] = await afterChange((rows) => rows.set("copy", rowOf(rows, key).replace(" ", ",site=a ")));
    assert.match(counts, /written 60 lost 0 invented 0 altered 0 duplicates 1/);
  }
});

test("a row that nobody published is invented, in each table", async () => {
  const stranger = first((uplink) => uplink.receptions.length > 0);
  const rows = perfectRows([
    { ...stranger, deduplicationId: "f0000000-0000-4000-8000-000000000000", devEui: "ffffffffffffffff" },
  ]);
  const count = rows.size;
  assert.ok(count >= 2);
  const [counts] = await afterChange((all) => {
    for (const [key, row] of rows) all.set(key, row);
  });
  assert.match(counts, new RegExp(`written 60 lost 0 invented ${count} altered 0 duplicates 0`));
  const noObject = first((uplink) => uplink.leaves.size > 0);
  const [elsewhere] = await afterChange((all) => {
    const row = rowOf(all, `telemetry ${noObject.deduplicationId}`);
    all.set("elsewhere", row.replace(/^telemetry_\w+/, "telemetry_nobody"));
  });
  assert.match(elsewhere, /invented 1/);
});
