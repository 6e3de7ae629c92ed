/**
 * What this machine knows of the columns in InfluxDB: state.db as the daemon left it, or has it open. A payload
 * is compared with the database that its device's route leads to.
 */
import type { DeviceInfo } from "../chirpstack/event.ts";
import type { Config } from "../config/config.ts";
import { databaseKey } from "../influx/schema-cache.ts";
import { Fault } from "../lib/fault.ts";
import { deviceFacts, routeOf } from "../pipeline/route.ts";
import { readColumns } from "../state/column-reader.ts";
import type { ColumnType, TableColumn } from "../telemetry/column-types.ts";
import type { KnownColumns } from "../telemetry/mapping-columns.ts";

type Tables = ReadonlyMap<string, KnownColumns>;

/** The table that a payload goes to, as it is known. */
export interface KnownTable {
  /** The name of its database. */
  readonly database: string;
  /** Empty where the database has no such table; `undefined`: `unknownWhy`. */
  readonly columns: KnownColumns | undefined;
  readonly unknownWhy: string | undefined;
}

const noColumns: KnownColumns = new Map();

export class KnownSchema {
  readonly #config: Pick<Config, "influx" | "routes">;
  readonly #databases = new Map<string, Tables>();
  readonly #unreadWhy: string | undefined;

  /** `dir`: of state.db. What cannot be read is not known: payloads are shown all the same. */
  constructor(dir: string, config: Pick<Config, "influx" | "routes">) {
    this.#config = config;
    const keys = [config.influx, ...config.routes.map(({ influx }) => influx)].map(databaseKey);
    try {
      for (const [key, columns] of readColumns(dir, [...new Set(keys)])) {
        if (columns.length > 0) this.#databases.set(key, byTable(columns));
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#unreadWhy = error.message;
    }
  }

  tableOf(source: string, device: DeviceInfo, table: string): KnownTable {
    const { influx, routes } = this.#config;
    const index = routeOf(
      deviceFacts(source, device),
      routes.map(({ match }) => match),
    );
    const destination = (index === undefined ? undefined : routes[index]?.influx) ?? influx;
    const { database } = destination;
    const tables = this.#databases.get(databaseKey(destination));
    if (tables !== undefined)
      return { database, columns: tables.get(table) ?? noColumns, unknownWhy: undefined };
    const unknownWhy = this.#unreadWhy ?? `none of ${database} is known yet`;
    return { database, columns: undefined, unknownWhy };
  }
}

function byTable(columns: readonly TableColumn[]): Tables {
  const tables = new Map<string, Map<string, ColumnType>>();
  for (const { table, column, type } of columns) {
    const ofTable = tables.get(table) ?? new Map<string, ColumnType>();
    tables.set(table, ofTable.set(column, type));
  }
  return tables;
}
