/** The judge of the proof finds what is wrong: each kind of damage to a right database is seen, and named. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Row } from "../../src/sandbox/influx-reader.ts";
import { makeUplinks, type UplinkMessage } from "../support/fleet-uplinks.ts";
import { expectedRows } from "../support/proof-rows.ts";
import { contentKey, type Kept, type Verdict, Verdicts } from "../support/proof-verdicts.ts";

interface StoredRow {
  readonly table: string;
  readonly row: Row;
}

const made = makeUplinks({ count: 40, seed: 9, devices: 10 });
const nothingKept: Kept = { pending: new Set(), quarantined: new Set(), dead: new Set(), gone: 0 };
const counted = [
  "written",
  "pending",
  "quarantined",
  "dead",
  "gone",
  "lost",
  "invented",
  "altered",
  "duplicates",
] as const;

/** Of one event, as InfluxDB has them. */
function storedRows(message: UplinkMessage): StoredRow[] {
  const time = timeText(message.uplink.timeNs);
  return expectedRows(message).map(({ table, cells }) => ({ table, row: { ...cells, time } }));
}

function timeText(timeNs: bigint): string {
  const seconds = new Date(Number(timeNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(timeNs % 1_000_000_000n).padStart(9, "0")}`;
}

/** An uplink with two gateways or more and a payload. */
const first = made.find(({ uplink }) => uplink.receptions.length > 1 && uplink.leaves.size > 0);
assert.ok(first !== undefined);
const others = made.filter((message) => message !== first).slice(0, 3);
const uplinks = [first, ...others];
const rowsOfFirst = storedRows(first);

/** With all other events as they should be; only the counts that are not 0. */
function judged(
  rows: readonly StoredRow[],
  kept: Partial<Kept> = {},
  isAcknowledged = true,
): Partial<Verdict> {
  const published = uplinks.map((message) => ({
    message,
    isAcknowledged: message === first ? isAcknowledged : true,
  }));
  const verdicts = new Verdicts(published);
  for (const { table, row } of [...others.flatMap(storedRows), ...rows]) verdicts.row(table, row);
  const verdict = verdicts.close({ ...nothingKept, ...kept });
  return Object.fromEntries(counted.map((name) => [name, verdict[name]]).filter(([, count]) => count !== 0));
}

const all = uplinks.length;

test("events with all their rows are written, and nothing is wrong", () => {
  assert.deepEqual(judged(rowsOfFirst), { written: all });
});

test("an event that is missing is lost, unless it is accounted for or was never acknowledged", () => {
  const key = new Set([contentKey(first.payload)]);
  assert.deepEqual(judged([]), { written: all - 1, lost: 1 });
  assert.deepEqual(judged([], { pending: key }), { written: all - 1, pending: 1 });
  assert.deepEqual(judged([], { quarantined: key }), { written: all - 1, quarantined: 1 });
  assert.deepEqual(judged([], { gone: 3 }), { written: all - 1, gone: 1 });
  assert.deepEqual(judged([], {}, false), { written: all - 1 });
});

test("an event without one of its rows is lost, whatever was counted, unless that row is a dead letter", () => {
  const keys = expectedRows(first).map(({ key }) => key);
  for (const [missing, key] of keys.entries()) {
    const rest = rowsOfFirst.filter((_, index) => index !== missing);
    assert.deepEqual(judged(rest, { gone: 3 }), { written: all - 1, lost: 1 });
    assert.deepEqual(judged(rest, {}, false), { written: all - 1, lost: 1 }, "nor may it be there in part");
    assert.deepEqual(judged(rest, { dead: new Set([key]) }), { written: all - 1, dead: 1 });
    const other = new Set(keys.filter((one) => one !== key));
    assert.deepEqual(judged(rest, { dead: other }), { written: all - 1, lost: 1 });
  }
});

test("every cell counts: each change, loss and addition of one is an alteration", () => {
  let changes = 0;
  const altered = (index: number, row: Row, what: string): void => {
    changes += 1;
    const rows = rowsOfFirst.map((stored, at) => (at === index ? { ...stored, row } : stored));
    assert.ok((judged(rows).altered ?? 0) + (judged(rows).invented ?? 0) > 0, what);
  };
  for (const [index, { table, row }] of rowsOfFirst.entries()) {
    for (const [column, cell] of Object.entries(row)) {
      if (cell === undefined) continue;
      altered(index, { ...row, [column]: changed(cell) }, `${table}.${column}`);
      altered(index, { ...row, [column]: null }, `${table}.${column} is gone`);
    }
    altered(index, { ...row, more: 1 }, `${table} has a cell more`);
  }
  assert.ok(changes > 100, `${changes}`);
});

function changed(cell: unknown): unknown {
  if (typeof cell === "number") return cell + 0.125;
  if (typeof cell === "boolean") return !cell;
  // Of a time: the last digit of its nanoseconds.
  return String(cell).replace(/.$/, (last) => (last === "1" ? "2" : "1"));
}

test("a row of no event is invented, and a row that comes twice is a duplicate", () => {
  const [uplinkRow, receptionRow] = rowsOfFirst;
  assert.ok(uplinkRow !== undefined && receptionRow !== undefined);
  const strangers = { ...uplinkRow.row, deduplication_id: "another" };
  assert.deepEqual(judged([...rowsOfFirst, { ...uplinkRow, row: strangers }]), { written: all, invented: 1 });
  assert.deepEqual(judged([...rowsOfFirst, receptionRow]), { written: all, duplicates: 1 });
  const later = { ...uplinkRow.row, time: timeText(first.uplink.timeNs + 1n) };
  assert.deepEqual(judged([...rowsOfFirst, { ...uplinkRow, row: later }]), {
    written: all,
    altered: 1,
    duplicates: 1,
  });
});
