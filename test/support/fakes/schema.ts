/**
 * A database's columns as the forwarder sees them: a schema that starts empty, and a reader that answers
 * from a script. `known` is a keeper for tests that are about something else: nothing is ever asked.
 */
import { Fault } from "../../../src/lib/fault.ts";
import type { SchemaKeeper, SchemaReading } from "../../../src/pipeline/schema-first.ts";
import type { ColumnType, Schema, TableColumn } from "../../../src/telemetry/column-types.ts";

export class MemorySchema implements Schema {
  readonly tables = new Map<string, Map<string, ColumnType>>();
  version = 0;

  columnsOf(table: string): Map<string, ColumnType> {
    const columns = this.tables.get(table) ?? new Map<string, ColumnType>();
    this.tables.set(table, columns);
    return columns;
  }

  learn(columns: readonly TableColumn[]): boolean {
    let contradicted = false;
    for (const { table, column, type } of columns) {
      const ours = this.columnsOf(table);
      if (ours.has(column) && ours.get(column) !== type) contradicted = true;
      ours.set(column, type);
    }
    if (contradicted) this.version += 1;
    return contradicted;
  }
}

export class ScriptedReader {
  /** What the database says to the nth question, from 1. */
  answer: (number: number) => SchemaReading = () => ({ kind: "read", columns: [] });
  /** How long it takes to say so. 0: a microtask. */
  latencyMs = 0;
  /** By the clock that was given. */
  readonly askedMs: number[] = [];
  readonly #uptimeMs: () => number;

  constructor(clock: { uptimeMs(): number }) {
    this.#uptimeMs = () => clock.uptimeMs();
  }

  async read(signal: AbortSignal): Promise<SchemaReading> {
    signal.throwIfAborted();
    const number = this.askedMs.push(this.#uptimeMs());
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
    signal.throwIfAborted();
    return this.answer(number);
  }
}

/** A keeper of an empty schema that is never contradicted. */
export function known(): SchemaKeeper {
  const columns = new MemorySchema();
  const answer = { kind: "known" } as const;
  return {
    columns,
    version: 0,
    isKnown: true,
    read: () => Promise.resolve(answer),
    readAgain: () => Promise.resolve(answer),
  };
}

export function schemaFault(code: string): Fault {
  return new Fault({ code, layer: "write", disposition: "retry", message: code });
}
