import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { Wakeup } from "../lib/wakeup.ts";
import type { Schema, TableColumn } from "../telemetry/column-types.ts";

/** What became of asking a database for its columns. */
type SchemaOutcome =
  /** They are known as far as they will be for now. */
  { readonly kind: "known" } | { readonly kind: "retry"; readonly fault: Fault };

/** What rows are fitted to: types that the database has confirmed, and claims. */
export interface DestinationSchema extends Schema {
  /** The database has said the column's type, or taken lines with it. */
  isConfirmed(table: string, column: string): boolean;
}

/** The columns of one database, and how to learn of them. */
export interface SchemaKeeper {
  readonly columns: DestinationSchema;
  /** Grows when what rows were fitted to turned out otherwise: lines of an older version are stale. */
  readonly version: number;
  /** As far as the database will say. */
  readonly isKnown: boolean;
  /** For which fault of its queries writing goes on without; undefined again once the columns were read. */
  readonly trouble: Fault | undefined;
  /** Grows when a look succeeds after others failed: what was refused meanwhile may pass now. */
  readonly recoveries: number;
  /**
   * The first look; whoever asks meanwhile shares it. Once looks go on in the background, nobody waits.
   * Rejects only with the signal's reason.
   */
  read(signal: AbortSignal): Promise<SchemaOutcome>;
  /**
   * Another look, which begins after this call, perhaps a little later; none once looks go on in the
   * background. Rejects only with the signal's reason.
   */
  readAgain(signal: AbortSignal): Promise<SchemaOutcome>;
  /** The database has taken lines that rest on these. */
  confirm(columns: readonly TableColumn[]): void;
  /** The database has refused lines that rest on these, and nothing else: claims among them are given up. */
  giveUp(columns: readonly TableColumn[]): void;
  /** Looks in the background when that is called for, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** What the database said. */
export type SchemaReading =
  /** Every column of every table that is written to. */
  | { readonly kind: "read"; readonly columns: readonly TableColumn[] }
  /** Nothing, in passing; writes may fare alike. */
  | { readonly kind: "retry"; readonly fault: Fault }
  /** Nothing, in passing; writes go another way. */
  | { readonly kind: "later"; readonly fault: Fault }
  | { readonly kind: "unavailable"; readonly fault: Fault };

interface SchemaReader {
  /** Answers within 5 s or so where writes may wait for it, else within a minute. Rejects only with the signal's reason. */
  read(signal: AbortSignal, look: { readonly mayBeAwaited: boolean }): Promise<SchemaReading>;
}

/** May be shared by several keepers: it is of a database, however many tokens lead there. */
interface LearningSchema extends DestinationSchema {
  readonly version: number;
  /** The number of a look that begins. */
  beginLook(): number;
  /** All that the database had when that look was answered. */
  learn(columns: readonly TableColumn[], look: number): void;
  confirm(columns: readonly TableColumn[]): void;
  giveUp(columns: readonly TableColumn[]): void;
}

interface KeepSchemaDeps {
  readonly reader: SchemaReader;
  readonly cache: LearningSchema;
  readonly clock: Clock;
  /** Called when something was written without the schema, once until it has been read. */
  readonly report: (fault: Fault) => void;
  /** Notified of a look in the background that succeeded. */
  readonly activity: Wakeup;
}

/**
 * Looks that fail in passing, one after the other, before writing goes on without: where the way to the
 * database is broken, writing tells; where only its queries are, nothing must wait for them. Of queries that
 * go a way of their own, one is enough.
 */
const patience = 3;
/** Then somebody looks in the background, this long after the last time; doubling. */
const background = { firstMs: 30_000, mostMs: 300_000 };
/** And after a refusal: who mends that need not do it here. */
const afterRefusalMs = 900_000;
/** A query that finds nothing new is repeated for every refused batch: not more often than this. */
const betweenReadsMs = 1000;

const known = { kind: "known" } as const;

/** For one forwarder: all calls but `run` are given the same signal. */
export function keepSchema(deps: KeepSchemaDeps): SchemaKeeper {
  return new Keeper(deps);
}

/** Two looks are never under way side by side: the older one could be learned last. */
class Keeper implements SchemaKeeper {
  readonly #deps: KeepSchemaDeps;
  #isKnown = false;
  #trouble: Fault | undefined;
  #failures = 0;
  #recoveries = 0;
  #startedMs = -Infinity;
  /** Under way. */
  #reading: Promise<SchemaOutcome> | undefined;
  /** Asked for, and not begun. */
  #waiting: Promise<SchemaOutcome> | undefined;
  /** There is something to look at in the background, or to look at now. */
  readonly #ranOut = new Wakeup();
  /** Something was written although the schema is not known: it is the queries that fail, or did. */
  #hasWritten = false;
  #mustLookNow = false;

  constructor(deps: KeepSchemaDeps) {
    this.#deps = deps;
  }

  get columns(): DestinationSchema {
    return this.#deps.cache;
  }

  get version(): number {
    return this.#deps.cache.version;
  }

  get isKnown(): boolean {
    return this.#isKnown;
  }

  get trouble(): Fault | undefined {
    return this.#trouble;
  }

  get recoveries(): number {
    return this.#recoveries;
  }

  async read(signal: AbortSignal): Promise<SchemaOutcome> {
    return this.#isInBackground ? known : await (this.#reading ?? this.#begin(signal));
  }

  async readAgain(signal: AbortSignal): Promise<SchemaOutcome> {
    if (this.#isInBackground) return known;
    this.#waiting ??= this.#startSpaced(signal);
    return await this.#waiting;
  }

  /** What fails with everything else is no news: only when something gets through it is worth a look, and a word. */
  confirm(columns: readonly TableColumn[]): void {
    this.#deps.cache.confirm(columns);
    if (this.#hasWritten || !this.#isInBackground) return;
    this.#hasWritten = true;
    this.#mustLookNow = true;
    this.#ranOut.notify();
  }

  giveUp(columns: readonly TableColumn[]): void {
    this.#deps.cache.giveUp(columns);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { version } = this.#ranOut;
      if (this.#isInBackground || this.#trouble !== undefined) await this.#lookInBackground(signal);
      else await this.#ranOut.changedSince(version, signal);
    }
  }

  get #isInBackground(): boolean {
    return this.#failures >= patience;
  }

  async #lookInBackground(signal: AbortSignal): Promise<void> {
    const { clock, activity } = this.#deps;
    const { version } = this.#ranOut;
    const dueInMs = this.#startedMs + this.#pauseMs - clock.uptimeMs();
    if (dueInMs > 0 && !this.#mustLookNow) {
      await this.#ranOut.changedSince(version, signal, dueInMs);
      return;
    }
    this.#mustLookNow = false;
    const { recoveries } = this;
    await (this.#reading ?? this.#begin(signal)).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (this.#recoveries > recoveries) activity.notify();
  }

  get #pauseMs(): number {
    if (!this.#isInBackground) return afterRefusalMs;
    return Math.min(background.mostMs, background.firstMs * 2 ** (this.#failures - patience));
  }

  async #startSpaced(signal: AbortSignal): Promise<SchemaOutcome> {
    await this.#reading?.catch(() => {});
    await sleep(this.#startedMs + betweenReadsMs - this.#deps.clock.uptimeMs(), signal);
    this.#waiting = undefined;
    signal.throwIfAborted();
    return this.#isInBackground ? known : await this.#begin(signal);
  }

  async #begin(signal: AbortSignal): Promise<SchemaOutcome> {
    const begun = this.#look(signal).finally(() => {
      if (this.#reading === begun) this.#reading = undefined;
    });
    this.#reading = begun;
    return await begun;
  }

  async #look(signal: AbortSignal): Promise<SchemaOutcome> {
    const { reader, cache, clock } = this.#deps;
    this.#startedMs = clock.uptimeMs();
    const number = cache.beginLook();
    const outcome = await reader.read(signal, { mayBeAwaited: !this.#isInBackground });
    if (outcome.kind === "retry" || outcome.kind === "later") {
      const counted = this.#failures + 1;
      this.#failures = outcome.kind === "later" ? Math.max(patience, counted) : counted;
      if (!this.#isInBackground) return { kind: "retry", fault: outcome.fault };
      this.#ranOut.notify();
      if (this.#hasWritten) this.#goOnWithout(outcome.fault);
      return known;
    }
    const isRead = outcome.kind === "read";
    if (this.#failures > 0 || (isRead && this.#trouble !== undefined)) this.#recoveries += 1;
    this.#failures = 0;
    this.#hasWritten = false;
    this.#isKnown = true;
    if (isRead) {
      this.#trouble = undefined;
      cache.learn(outcome.columns, number);
    } else {
      this.#goOnWithout(outcome.fault);
      this.#ranOut.notify();
    }
    return known;
  }

  #goOnWithout({ code, layer, disposition, message, hint }: Fault): void {
    const isNew = this.#trouble === undefined;
    const what = `${message}; writing goes on with the column types that are known from here`;
    this.#trouble = new Fault({ code, layer, disposition, message: what, hint });
    if (isNew) this.#deps.report(this.#trouble);
  }
}
