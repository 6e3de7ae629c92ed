import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { Schema, TableColumn } from "../telemetry/column-types.ts";

/** What became of asking a database for its columns. */
type SchemaOutcome =
  /** They are known, or it will not say for now: then types are as we wrote or write them first. */
  { readonly kind: "known" } | { readonly kind: "retry"; readonly fault: Fault };

/** The columns of one database, and how to learn of them. */
export interface SchemaKeeper {
  /** What rows are fitted to. */
  readonly columns: Schema;
  /** Grows when the database contradicted what rows were fitted to: lines of an older version are stale. */
  readonly version: number;
  /** As far as the database will say. */
  readonly isKnown: boolean;
  /** The first look; whoever asks meanwhile shares it. Rejects only with the signal's reason. */
  read(signal: AbortSignal): Promise<SchemaOutcome>;
  /** Another look, which begins after this call, perhaps a little later. Rejects only with the signal's reason. */
  readAgain(signal: AbortSignal): Promise<SchemaOutcome>;
}

/** What the database said. */
export type SchemaReading =
  | { readonly kind: "read"; readonly columns: readonly TableColumn[] }
  | { readonly kind: "retry"; readonly fault: Fault }
  | { readonly kind: "unavailable"; readonly fault: Fault };

interface SchemaReader {
  /** Rejects only with the signal's reason. */
  read(signal: AbortSignal): Promise<SchemaReading>;
}

interface LearningSchema extends Schema {
  readonly version: number;
  /** True when this contradicted what was assumed; then `version` has grown. */
  learn(columns: readonly TableColumn[]): boolean;
}

interface KeepSchemaDeps {
  readonly reader: SchemaReader;
  readonly cache: LearningSchema;
  readonly clock: Clock;
  /** Called once when the database will not say. */
  readonly report: (fault: Fault) => void;
}

/**
 * Looks that may fail in passing, one after the other, before writing goes on without: where the way to the
 * database is broken, writing tells; where only its queries are, nothing must wait for them. Each later write
 * is preceded by another look until one succeeds.
 */
const patience = 3;
/** A query that finds nothing new is repeated for every refused batch: not more often than this. */
const betweenReadsMs = 1000;

/** For one forwarder: all calls are given the same signal. */
export function keepSchema({ reader, cache, clock, report }: KeepSchemaDeps): SchemaKeeper {
  let isKnown = false;
  let hasReported = false;
  let failures = 0;
  let startedMs = -Infinity;
  /** Under way. */
  let reading: Promise<SchemaOutcome> | undefined;
  /** Asked for, and not begun. */
  let waiting: Promise<SchemaOutcome> | undefined;

  async function start(signal: AbortSignal): Promise<SchemaOutcome> {
    startedMs = clock.uptimeMs();
    const outcome = await reader.read(signal);
    if (outcome.kind === "retry") {
      failures += 1;
      if (failures <= patience) return outcome;
    } else {
      failures = 0;
      isKnown = true;
    }
    if (outcome.kind === "read") cache.learn(outcome.columns);
    else if (!hasReported) {
      hasReported = true;
      report(outcome.fault);
    }
    return { kind: "known" };
  }

  async function startSpaced(signal: AbortSignal): Promise<SchemaOutcome> {
    await reading?.catch(() => {});
    await sleep(startedMs + betweenReadsMs - clock.uptimeMs(), signal);
    waiting = undefined;
    signal.throwIfAborted();
    return await begin(signal);
  }

  async function begin(signal: AbortSignal): Promise<SchemaOutcome> {
    const begun = start(signal).finally(() => {
      if (reading === begun) reading = undefined;
    });
    reading = begun;
    return await begun;
  }

  return {
    columns: cache,
    get version() {
      return cache.version;
    },
    get isKnown() {
      return isKnown;
    },
    async read(signal) {
      return await (reading ?? begin(signal));
    },
    async readAgain(signal) {
      waiting ??= startSpaced(signal);
      return await waiting;
    },
  };
}
