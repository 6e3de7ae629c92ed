/**
 * Pending messages as the line protocol that the daemon would write, by the same way: decoder, time, mapping,
 * columns, encoder. Columns that a row claims stay claimed for the rows after it, as in the daemon.
 */
import { decode } from "../chirpstack/decode.ts";
import { type DeviceEvent, isDeviceEvent, type MeshHeartbeat } from "../chirpstack/event.ts";
import { pointTime } from "../chirpstack/time.ts";
import type { Config } from "../config/config.ts";
import { influxDestinations } from "../influx/route-config.ts";
import { databaseKey, SchemaCache } from "../influx/schema-cache.ts";
import { type JournalMessage, unpackFlags } from "../journal/message.ts";
import { fittedLines } from "../pipeline/fitted-lines.ts";
import { ownSource, unpackOwn } from "../pipeline/own-message.ts";
import { receiptFor } from "../pipeline/received-time.ts";
import { deviceFacts, noFacts, routeOf, type RouteFacts } from "../pipeline/route.ts";
import type { BufferRow } from "../status/buffer-wire.ts";
import type { TableColumn } from "../telemetry/column-types.ts";
import type { Point } from "../telemetry/point.ts";
import { points } from "../telemetry/points.ts";
import { payloadTablePrefix } from "../telemetry/table.ts";
import type { Access } from "./buffer-access.ts";
import { waitsForClock } from "./buffer-walk.ts";

type Settings = Pick<Config, "influx" | "routes" | "telemetry">;

interface LinesOf {
  readonly database: string;
  /** Empty: nothing of this message is written. */
  readonly lines: readonly string[];
}

/** Why a message has no lines yet, and will have. */
type NotYet = "undecodable" | "waits_for_clock";

interface Rows {
  readonly rows: readonly Point[];
  readonly facts: RouteFacts;
}

const nothingToWrite: Rows = { rows: [], facts: noFacts };

interface Target {
  readonly database: string;
  readonly schema: SchemaCache;
}

export class PendingLines {
  readonly #config: Settings;
  readonly #targets: ReadonlyMap<string, Target>;

  private constructor(config: Settings, targets: ReadonlyMap<string, Target>) {
    this.#config = config;
    this.#targets = targets;
  }

  /** Asks for the columns that are known. */
  static async open(config: Settings, buffer: Access["buffer"]): Promise<PendingLines> {
    const { influx, routes, telemetry } = config;
    const payloadTables = telemetry.profiles.map(({ table }) => table).filter((table) => table !== undefined);
    const targets = new Map<string, Target>();
    for (const destination of influxDestinations(influx, routes)) {
      const key = databaseKey(destination.influx);
      if (targets.has(key)) continue;
      const schema = new SchemaCache({
        known: await columnsOf(key, buffer),
        isPayloadTable: (table) => table.startsWith(payloadTablePrefix) || payloadTables.includes(table),
      });
      targets.set(key, { database: destination.influx.database, schema });
    }
    return new PendingLines(config, targets);
  }

  of(row: BufferRow): LinesOf | NotYet {
    const message = messageOf(row);
    const made = message.source === ownSource ? ownRows(message) : this.#eventRows(message, row);
    if (typeof made === "string") return made;
    const { influx, routes } = this.#config;
    const route = routeOf(
      made.facts,
      routes.map(({ match }) => match),
    );
    const destination = (route === undefined ? undefined : routes[route]?.influx) ?? influx;
    const target = this.#targets.get(databaseKey(destination));
    if (target === undefined || made.rows.length === 0) return { database: destination.database, lines: [] };
    const { lines } = fittedLines(made.rows, target.schema, () => true);
    return { database: target.database, lines: lines.map(({ text }) => text) };
  }

  #eventRows(message: JournalMessage, row: BufferRow): Rows | NotYet {
    const decoded = decode(message.topic, message.payload);
    if (!decoded.ok) return "undecodable";
    const event = decoded.value;
    switch (event.kind) {
      case "unmapped":
      case "gateway/stats":
      case "gateway/conn":
        return nothingToWrite;
      default:
    }
    if (waitsForClock(row, event)) return "waits_for_clock";
    const { timeNs, source } = pointTime(
      event,
      receiptFor(message, event, () => row.offsetMs),
    );
    // The broker kept it: when it happened, nobody can tell.
    if (message.retained && source === "received") return nothingToWrite;
    const rows = points(event, { timeNs, timeSource: source }, this.#config.telemetry).points;
    return { rows, facts: factsOf(event, message.source) };
  }
}

function ownRows(message: JournalMessage): Rows | NotYet {
  const own = unpackOwn(message.payload);
  return own.ok ? { rows: own.value.points, facts: own.value.facts } : "undecodable";
}

function factsOf(event: DeviceEvent | MeshHeartbeat, source: string): RouteFacts {
  return isDeviceEvent(event) ? deviceFacts(source, event.device) : { ...noFacts, source };
}

function messageOf(row: BufferRow): JournalMessage {
  const { key, source, topic, payload, receivedMs, uptimeMs, bootKey, flags } = row;
  const wire = { source, topic, payload: payload ?? Buffer.alloc(0), receivedMs, uptimeMs, bootKey };
  return { seq: key, ...wire, ...unpackFlags(flags) };
}

async function columnsOf(key: string, buffer: Access["buffer"]): Promise<readonly TableColumn[]> {
  const all: TableColumn[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = await buffer.columns(key, after);
    all.push(...page.columns);
    after = page.next;
  }
  return all;
}
