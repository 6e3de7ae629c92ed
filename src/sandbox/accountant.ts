/** The comparison of account.ts, fed with rows. Pure. */
import type { Row } from "./influx-reader.ts";
import { timeNsOf } from "./influx-reader.ts";
import type { LedgerEntry, PublishedUplink } from "./ledger.ts";

export interface Account {
  /** Events that went out, acknowledged or not. */
  readonly published: number;
  /** Events whose PUBACK the publisher saw: these must be there. */
  readonly obliged: number;
  /** Events with all their rows. */
  readonly written: number;
  /** Events that are missing, or that miss a row. */
  readonly lost: number;
  /** Rows that belong to no published event. */
  readonly invented: number;
  /** Events with a value that was not published so. */
  readonly altered: number;
  /** Rows that an event has more than once, at the same time or at another. */
  readonly duplicates: number;
  /** The first findings in words, at most `mostDetails`. */
  readonly details: readonly string[];
}

const mostDetails = 50;

interface Found {
  readonly uplink: PublishedUplink;
  readonly obliged: boolean;
  uplinkRows: number;
  telemetryRows: number;
  readonly gatewaysSeen: Set<string>;
  altered: boolean;
}

export class Accountant {
  readonly #byId = new Map<string, Found>();
  readonly #byDeviceAndTime = new Map<string, Found>();
  /** All columns that a profile's objects have ever had: a row must not have another row's. */
  readonly #columnsByTable = new Map<string, Set<string>>();
  readonly #details: string[] = [];
  #invented = 0;
  #duplicates = 0;

  constructor(entries: Iterable<LedgerEntry>) {
    for (const { uplink, acknowledged } of entries) {
      const found: Found = {
        uplink,
        obliged: acknowledged,
        uplinkRows: 0,
        telemetryRows: 0,
        gatewaysSeen: new Set(),
        altered: false,
      };
      this.#byId.set(uplink.deduplicationId, found);
      this.#byDeviceAndTime.set(keyOf(uplink.devEui, uplink.timeNs), found);
      const columns = columnsOf(this.#columnsByTable, telemetryTable(uplink.profileName));
      for (const column of uplink.leaves.keys()) columns.add(column);
    }
  }

  uplink(row: Row): void {
    const id = row["deduplication_id"];
    const found = typeof id === "string" ? this.#byId.get(id) : undefined;
    if (found === undefined) {
      this.#invent("uplink", row);
      return;
    }
    const { uplink } = found;
    found.uplinkRows += 1;
    if (found.uplinkRows > 1) this.#duplicate("uplink", row);
    this.#compare("uplink", found, row, uplinkColumns(uplink));
    if (timeNsOf(row["time"]) !== uplink.timeNs)
      this.#alter("uplink", found, "time", row["time"], uplink.timeNs);
  }

  reception(row: Row): void {
    const found = this.#findByTime(row);
    const gatewayId = row["gateway_id"];
    const reception = found?.uplink.receptions.find((candidate) => candidate.gatewayId === gatewayId);
    if (found === undefined || reception === undefined) {
      this.#invent("uplink_rx", row);
      return;
    }
    if (found.gatewaysSeen.has(reception.gatewayId)) this.#duplicate("uplink_rx", row);
    found.gatewaysSeen.add(reception.gatewayId);
    this.#compare("uplink_rx", found, row, [
      ["application_id", found.uplink.applicationId],
      ["rssi", reception.rssiDbm],
      ["snr", reception.snrDb],
    ]);
  }

  telemetry(table: string, row: Row): void {
    const found = this.#findByTime(row);
    if (
      found === undefined ||
      found.uplink.leaves.size === 0 ||
      telemetryTable(found.uplink.profileName) !== table
    ) {
      this.#invent(table, row);
      return;
    }
    const { uplink } = found;
    found.telemetryRows += 1;
    if (found.telemetryRows > 1) this.#duplicate(table, row);
    this.#compare(table, found, row, [
      ["application_id", uplink.applicationId],
      ["f_cnt", uplink.fCnt],
      ["f_port", uplink.fPort],
      ...uplink.leaves,
    ]);
    for (const column of this.#columnsByTable.get(table) ?? []) {
      if (uplink.leaves.has(column) || isNull(row[column])) continue;
      this.#alter(table, found, column, row[column], undefined);
    }
  }

  close(): Account {
    let obliged = 0;
    let written = 0;
    let lost = 0;
    let altered = 0;
    for (const found of this.#byId.values()) {
      const missing = missingRows(found);
      const isPresent = found.uplinkRows + found.telemetryRows + found.gatewaysSeen.size > 0;
      if (found.obliged) obliged += 1;
      if (found.altered) altered += 1;
      if (missing.length === 0) written += 1;
      // An event without PUBACK may be absent, but not in part.
      else if (found.obliged || isPresent) {
        lost += 1;
        this.#note(`lost: ${nameOf(found.uplink)} has no row in ${missing.join(", ")}`);
      }
    }
    return {
      published: this.#byId.size,
      obliged,
      written,
      lost,
      invented: this.#invented,
      altered,
      duplicates: this.#duplicates,
      details: this.#details,
    };
  }

  #findByTime(row: Row): Found | undefined {
    const devEui = row["dev_eui"];
    const timeNs = timeNsOf(row["time"]);
    return typeof devEui !== "string" || timeNs === undefined
      ? undefined
      : this.#byDeviceAndTime.get(keyOf(devEui, timeNs));
  }

  #compare(
    table: string,
    found: Found,
    row: Row,
    expected: Iterable<readonly [string, number | string | boolean]>,
  ): void {
    for (const [column, value] of expected) {
      if (!isSame(column, row[column], value)) this.#alter(table, found, column, row[column], value);
    }
  }

  #alter(table: string, found: Found, column: string, actual: unknown, expected: unknown): void {
    found.altered = true;
    this.#note(
      `altered: ${nameOf(found.uplink)}: ${table}.${column} is ${String(actual)}, published was ${String(expected)}`,
    );
  }

  #invent(table: string, row: Row): void {
    this.#invented += 1;
    this.#note(`invented: ${table} has ${JSON.stringify(row)}`);
  }

  #duplicate(table: string, row: Row): void {
    this.#duplicates += 1;
    this.#note(`duplicate: ${table} has ${JSON.stringify(row)} once more`);
  }

  #note(text: string): void {
    if (this.#details.length < mostDetails) this.#details.push(text.slice(0, 500));
  }
}

/** Lower case; each run of anything but letters and digits is one `_`; none at the ends. */
function telemetryTable(profileName: string): string {
  const slug = profileName
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replaceAll(/^_|_$/g, "");
  return `telemetry_${slug}`;
}

function uplinkColumns(uplink: PublishedUplink): [string, number | string][] {
  return [
    ["dev_eui", uplink.devEui],
    ["application_id", uplink.applicationId],
    ["f_cnt", uplink.fCnt],
    ["f_port", uplink.fPort],
    ["dr", uplink.dr],
    ["spreading_factor", uplink.spreadingFactor],
    ["gateway_count", uplink.receptions.length],
    ["rssi", Math.max(...uplink.receptions.map((reception) => reception.rssiDbm))],
    ["snr", Math.max(...uplink.receptions.map((reception) => reception.snrDb))],
  ];
}

function missingRows(found: Found): string[] {
  const { uplink } = found;
  const missing: string[] = [];
  if (found.uplinkRows === 0) missing.push("uplink");
  if (found.gatewaysSeen.size < uplink.receptions.length) missing.push("uplink_rx");
  if (uplink.leaves.size > 0 && found.telemetryRows === 0) missing.push(telemetryTable(uplink.profileName));
  return missing;
}

/** SNR is a 32-bit float on the wire in protobuf: 13.2 and 13.199999809265137 are the same there. */
function isSame(column: string, actual: unknown, expected: number | string | boolean): boolean {
  if (column === "snr" && typeof actual === "number" && typeof expected === "number") {
    return Math.fround(actual) === Math.fround(expected);
  }
  return actual === expected;
}

function isNull(value: unknown): boolean {
  return value === null || value === undefined;
}

function keyOf(devEui: string, timeNs: bigint): string {
  return `${devEui} ${timeNs}`;
}

function nameOf(uplink: PublishedUplink): string {
  return `${uplink.deduplicationId} (device ${uplink.devEui}, fCnt ${uplink.fCnt})`;
}

function columnsOf(map: Map<string, Set<string>>, key: string): Set<string> {
  const present = map.get(key);
  if (present !== undefined) return present;
  const fresh = new Set<string>();
  map.set(key, fresh);
  return fresh;
}
