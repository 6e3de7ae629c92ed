import type { InfluxConfig } from "../influx/config.ts";
import { databaseKey, SchemaCache } from "../influx/schema-cache.ts";
import type { Fault } from "../lib/fault.ts";
import type { SchemaStore } from "../state/schema-store.ts";
import { payloadTablePrefix } from "../telemetry/table.ts";

/** The columns of one database, and what keeps them for the next start. */
export interface KeptSchema {
  readonly cache: SchemaCache;
  /** Stores what is confirmed and forgets what is gone. Returns the fault for which it could not: the next one does it. */
  save(): Fault | undefined;
}

/** By database, not by destination: routes with tokens of their own may lead to one database. */
export class KeptSchemas {
  readonly #store: Pick<SchemaStore, "load" | "save">;
  /** Those of `[[profile]]`, which need not have the prefix. */
  readonly #payloadTables: readonly string[];
  readonly #schemas = new Map<string, KeptSchema>();

  constructor(store: Pick<SchemaStore, "load" | "save">, payloadTables: readonly string[]) {
    this.#store = store;
    this.#payloadTables = payloadTables;
  }

  of(influx: Pick<InfluxConfig, "url" | "database">): KeptSchema {
    const key = databaseKey(influx);
    const known = this.#schemas.get(key);
    if (known !== undefined) return known;
    const [store, payloadTables] = [this.#store, this.#payloadTables];
    const cache = new SchemaCache({
      known: store.load(key),
      isPayloadTable: (table) => table.startsWith(payloadTablePrefix) || payloadTables.includes(table),
    });
    const schema: KeptSchema = {
      cache,
      save() {
        const columns = cache.unsaved();
        const fault = store.save(key, columns);
        if (fault === undefined) cache.saved(columns);
        return fault;
      },
    };
    this.#schemas.set(key, schema);
    return schema;
  }
}
