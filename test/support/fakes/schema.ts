/**
 * A database's columns as the forwarder sees them: a schema that starts empty, and a reader that answers
 * from a script. `known` is a keeper for tests that are about something else: nothing is ever asked.
 */
import { SchemaCache } from "../../../src/influx/schema-cache.ts";
import { aborted, sleep } from "../../../src/lib/abort.ts";
import { Fault } from "../../../src/lib/fault.ts";
import type { TableColumn } from "../../../src/telemetry/column-types.ts";
import type { SchemaKeeper, SchemaReading } from "../../../src/pipeline/schema-keeper.ts";

/** Without tables whose columns are limited. */
export class MemorySchema extends SchemaCache {
  constructor() {
    super({ isPayloadTable: () => false });
  }

  /** Without a number: what the database has at this moment. */
  override learn(columns: Iterable<TableColumn>, look = this.beginLook()): void {
    super.learn(columns, look);
  }
}

export class ScriptedReader {
  /** What the database says to the nth question, from 1. */
  answer: (number: number) => SchemaReading = () => ({ kind: "read", columns: [] });
  /** How long it takes to say so. 0: a microtask. */
  latencyMs = 0;
  /** By the clock that was given. */
  readonly askedMs: number[] = [];
  /** How many of them somebody might wait for. */
  awaited = 0;
  readonly #uptimeMs: () => number;

  constructor(clock: { uptimeMs(): number }) {
    this.#uptimeMs = () => clock.uptimeMs();
  }

  async read(
    signal: AbortSignal,
    { mayBeAwaited }: { readonly mayBeAwaited: boolean },
  ): Promise<SchemaReading> {
    signal.throwIfAborted();
    if (mayBeAwaited) this.awaited += 1;
    const number = this.askedMs.push(this.#uptimeMs());
    if (this.latencyMs > 0) await sleep(this.latencyMs, signal);
    signal.throwIfAborted();
    return this.answer(number);
  }
}

/** A keeper of an empty schema that nobody else writes to. */
export function known(): SchemaKeeper {
  const columns = new MemorySchema();
  const answer = { kind: "known" } as const;
  return {
    columns,
    get version() {
      return columns.version;
    },
    isKnown: true,
    recoveries: 0,
    trouble: undefined,
    read: () => Promise.resolve(answer),
    readAgain: () => Promise.resolve(answer),
    confirm: (taken) => columns.confirm(taken),
    giveUp: (refused) => columns.giveUp(refused),
    run: aborted,
  };
}

export function schemaFault(code: string): Fault {
  return new Fault({ code, layer: "write", disposition: "retry", message: code });
}
