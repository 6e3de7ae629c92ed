import type { Clock } from "../lib/clock.ts";
import { IntervalSet } from "../lib/intervals.ts";
import type { Batch } from "./batch.ts";
import { RefusalBudget } from "./refusal-budget.ts";
import type { SchemaKeeper } from "./schema-keeper.ts";

interface RefusalsDeps {
  readonly schema: SchemaKeeper;
  readonly clock: Clock;
}

/** What a refused batch came from. */
interface Origin {
  readonly abort: AbortSignal;
  /** The columns were asked for again because of it. */
  hasAskedAgain: boolean;
}

/**
 * What is to become of a batch that a server refused which is well: because a column has another type than we
 * believe, which is asked first, or for its content.
 *
 * Where the columns cannot be asked for, a message that is refused alone is the only hint that a type was
 * claimed wrongly. Then what it has claimed is given up, so that others may claim, and it claims nothing for
 * others any more: the values that fit make the column's type known when they are delivered, and the odd one,
 * tried again later, goes beside it.
 */
export class Refusals {
  readonly #deps: RefusalsDeps;
  readonly #budget: RefusalBudget;
  readonly #alone = new IntervalSet();

  constructor(deps: RefusalsDeps) {
    this.#deps = deps;
    this.#budget = new RefusalBudget(deps.clock);
  }

  /** It was not refused alone: others may follow what its rows make of the columns. */
  mayClaim(seq: number): boolean {
    return !this.#alone.has(seq);
  }

  /**
   * "stale": prepare it anew. "halve": find the messages that are refused, so that their neighbours get
   * through. "set aside": try it seldom.
   */
  async judge(batch: Batch, origin: Origin): Promise<"stale" | "halve" | "set aside"> {
    await this.#askAgain(batch, origin);
    if (this.isStale(batch) || origin.abort.aborted) return "stale";
    const [first, ...others] = batch.messages;
    if (others.length > 0) return this.#budget.take() ? "halve" : "set aside";
    if (first !== undefined) {
      this.#alone.add(first.seq, first.seq);
      this.#deps.schema.giveUp(first.unconfirmed);
    }
    return "set aside";
  }

  /** The database has other columns than its lines were fitted to. */
  isStale(batch: Batch): boolean {
    return this.#deps.schema.version > batch.schemaVersion;
  }

  delivered(batch: Batch): void {
    for (const { lo, hi } of batch.seqs.intervals) this.#alone.remove(lo, hi);
    const unconfirmed = batch.messages.flatMap((message) => message.unconfirmed);
    this.#deps.schema.confirm(unconfirmed);
  }

  /**
   * Looks at the columns once for each origin, unless it is known already that they are others. Where that
   * cannot be done at present, nothing is new: the database takes writes, and they must not wait for it.
   */
  async #askAgain(batch: Batch, origin: Origin): Promise<void> {
    if (origin.hasAskedAgain || this.isStale(batch)) return;
    origin.hasAskedAgain = true;
    await this.#deps.schema.readAgain(origin.abort).catch((error: unknown) => {
      if (!origin.abort.aborted) throw error;
    });
  }
}
