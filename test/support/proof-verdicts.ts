/**
 * What has become of each published event. Fed with the rows of InfluxDB, and at the end with what
 * `flightline buffer` says of the rest. Pure.
 *
 * An event is owed from its PUBACK on. One without PUBACK may be missing, but not in part, and never otherwise
 * than it was sent.
 */
import { hash } from "node:crypto";
import { type Row, timeNsOf } from "../../src/sandbox/influx-reader.ts";
import type { UplinkMessage } from "./fleet-uplinks.ts";
import { type Cell, type ExpectedRow, expectedRows, rowKey } from "./proof-rows.ts";

export interface Published {
  readonly message: UplinkMessage;
  readonly isAcknowledged: boolean;
}

/** What is not in InfluxDB, as `flightline buffer` says it. */
export interface Kept {
  /** `contentKey` of payloads. */
  readonly pending: ReadonlySet<string>;
  readonly quarantined: ReadonlySet<string>;
  /** `rowKey` of the dead lines. */
  readonly dead: ReadonlySet<string>;
  /** Messages that are gone and were counted: evicted, purged, beyond rescue in a damaged file. */
  readonly gone: number;
}

export interface Verdict {
  /** That were owed. */
  readonly events: number;
  /** Of these: in InfluxDB with all their rows, and nowhere else that counts. */
  readonly written: number;
  readonly pending: number;
  readonly quarantined: number;
  /** With a row that is a dead letter; all others are in InfluxDB. */
  readonly dead: number;
  /** Missing whole, and covered by what was counted. */
  readonly gone: number;
  readonly lost: number;
  /** Rows of no event. */
  readonly invented: number;
  /** Events with a cell that is not as it was sent. */
  readonly altered: number;
  /** Rows that an event has once more. */
  readonly duplicates: number;
  /** The first findings in words. */
  readonly details: readonly string[];
}

const maxDetails = 20;

/** The same bytes are the same event. */
export function contentKey(payload: Uint8Array): string {
  return hash("sha1", payload, "base64");
}

interface Found {
  readonly published: Published;
  readonly rowCount: number;
  readonly seen: Set<string>;
  isAltered: boolean;
}

export class Verdicts {
  readonly #byId = new Map<string, Found>();
  /** By device and time. */
  readonly #byPoint = new Map<string, Found>();
  readonly #details: string[] = [];
  #invented = 0;
  #duplicates = 0;

  constructor(published: Iterable<Published>) {
    for (const one of published) {
      const { uplink } = one.message;
      const rowCount = 1 + uplink.receptions.length + (uplink.leaves.size === 0 ? 0 : 1);
      const found: Found = { published: one, rowCount, seen: new Set(), isAltered: false };
      this.#byId.set(uplink.deduplicationId, found);
      this.#byPoint.set(rowKey("", uplink.devEui, undefined, uplink.timeNs), found);
    }
  }

  row(table: string, row: Row): void {
    const devEui = text(row["dev_eui"]);
    const timeNs = timeNsOf(row["time"]) ?? -1n;
    const found =
      table === "uplink"
        ? this.#byId.get(text(row["deduplication_id"]))
        : this.#byPoint.get(rowKey("", devEui, undefined, timeNs));
    if (found === undefined) {
      this.#invent(table, row);
      return;
    }
    const gatewayId = table === "uplink_rx" ? text(row["gateway_id"]) : undefined;
    const key = rowKey(table, devEui, gatewayId, timeNs);
    // Rows of `uplink` are found by their id, so that one at another time is that event's, altered or twice.
    const expected = expectedRows(found.published.message).find((one) =>
      table === "uplink" ? one.table === table : one.key === key,
    );
    if (expected === undefined) this.#invent(table, row);
    else this.#compare(found, expected, row, key);
  }

  close(kept: Kept): Verdict {
    const counts = { events: 0, written: 0, pending: 0, quarantined: 0, dead: 0, altered: 0 };
    let missing = 0;
    let torn = 0;
    for (const found of this.#byId.values()) {
      const { isAcknowledged, message } = found.published;
      if (found.isAltered) counts.altered += 1;
      if (!isAcknowledged && found.seen.size === 0) continue;
      counts.events += 1;
      const place = placeOf(found, kept);
      if (place !== undefined) counts[place] += 1;
      else {
        if (found.seen.size === 0) missing += 1;
        else torn += 1;
        const { deduplicationId, devEui, fCnt } = message.uplink;
        this.#note(
          `missing: ${deduplicationId} (device ${devEui}, fCnt ${fCnt}), ${found.seen.size} of ${found.rowCount} rows`,
        );
      }
    }
    const gone = Math.min(missing, kept.gone);
    return {
      ...counts,
      gone,
      lost: missing - gone + torn,
      invented: this.#invented,
      duplicates: this.#duplicates,
      details: this.#details,
    };
  }

  #compare(found: Found, expected: ExpectedRow, row: Row, key: string): void {
    if (found.seen.has(expected.key)) {
      this.#duplicates += 1;
      this.#note(`duplicate: ${expected.table} has ${JSON.stringify(row)} once more`);
    }
    found.seen.add(expected.key);
    if (key !== expected.key) this.#alter(found, `${key} instead of ${expected.key}`);
    for (const column of new Set([...Object.keys(row), ...Object.keys(expected.cells)])) {
      if (column === "time" || isSame(column, row[column], expected.cells[column])) continue;
      const { table, cells } = expected;
      this.#alter(
        found,
        `${table}.${column} is ${JSON.stringify(row[column])} and not ${JSON.stringify(cells[column])}`,
      );
    }
  }

  #alter(found: Found, what: string): void {
    found.isAltered = true;
    this.#note(`altered: ${found.published.message.uplink.deduplicationId}: ${what}`);
  }

  #invent(table: string, row: Row): void {
    this.#invented += 1;
    this.#note(`invented: ${table} has ${JSON.stringify(row)}`);
  }

  #note(finding: string): void {
    if (this.#details.length < maxDetails) this.#details.push(finding.slice(0, 600));
  }
}

/** Undefined: nowhere, or not in whole. */
function placeOf(found: Found, kept: Kept): "written" | "pending" | "quarantined" | "dead" | undefined {
  if (found.seen.size === found.rowCount) return "written";
  const { message } = found.published;
  const content = contentKey(message.payload);
  if (kept.pending.has(content)) return "pending";
  if (kept.quarantined.has(content)) return "quarantined";
  const missing = expectedRows(message).filter(({ key }) => !found.seen.has(key));
  return missing.every(({ key }) => kept.dead.has(key)) ? "dead" : undefined;
}

/** SNR is a 32-bit float on the wire; what was computed may differ in its last bits. */
function isSame(column: string, actual: unknown, expected: Cell | undefined): boolean {
  if (actual === null || actual === undefined) return expected === undefined;
  if (typeof actual !== "number" || typeof expected !== "number") return actual === expected;
  if (column === "snr") return Math.fround(actual) === Math.fround(expected);
  if (column === "margin") return Math.abs(actual - expected) < 0.001;
  if (column === "airtime_ms") return Math.abs(actual - expected) < 1e-6;
  return actual === expected;
}

function text(cell: unknown): string {
  return typeof cell === "string" ? cell : "";
}
