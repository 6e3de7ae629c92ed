import type { Batch } from "./batch.ts";
import type { Fates } from "./fates.ts";
import type { ReadyLine, ReadyMessage } from "./ready.ts";
import type { SchemaKeeper } from "./schema-keeper.ts";

interface RefusalsDeps {
  readonly schema: SchemaKeeper;
  readonly fates: Fates;
}

/** What a refused batch came from. */
interface Origin {
  readonly abort: AbortSignal;
  /** The columns were asked for again because of it. */
  hasAskedAgain: boolean;
}

/**
 * Claims that are given up in a table before nobody claims anything in it any more: each time all that was fitted
 * to them is made anew, which is in vain when the database refuses every line of the table.
 */
const hopelessAfter = 3;
const maxTables = 2000;

/**
 * What refusals teach about columns: a server that is well refuses a batch because a column has another type than
 * we believe, which is asked first, or for its content.
 *
 * Where the columns cannot be asked for, a line that is refused by name or alone is the only hint that a type was
 * claimed wrongly. Then what it has claimed is given up, so that others may claim, and its message claims nothing
 * for others any more: the values that fit make the column's type known when they are delivered, and the odd one,
 * tried again later, goes beside it.
 */
export class Refusals {
  readonly #schema: SchemaKeeper;
  readonly #fates: Fates;
  /** How often claims in a table were given up since something got through to it. */
  readonly #givenUp = new Map<string, number>();

  constructor({ schema, fates }: RefusalsDeps) {
    this.#schema = schema;
    this.#fates = fates;
  }

  /**
   * Others may follow what its rows make of the columns: none of its lines was to blame for a refusal, and it is
   * not a table to which nothing gets through.
   */
  mayClaim(seq: number, table: string): boolean {
    return !this.#fates.isBlamed(seq) && (this.#givenUp.get(table) ?? 0) < hopelessAfter;
  }

  /** The database has other columns than its lines were fitted to: they must be prepared anew. */
  isStale(batch: Batch): boolean {
    return this.#schema.version > batch.schemaVersion;
  }

  /**
   * Looks at the columns once for each origin, unless it is known already that they are others. Where that
   * cannot be done at present, nothing is new: the database takes writes, and they must not wait for it.
   */
  async askAgain(batch: Batch, origin: Origin): Promise<void> {
    if (origin.hasAskedAgain || this.isStale(batch)) return;
    origin.hasAskedAgain = true;
    await this.#schema.readAgain(origin.abort).catch((error: unknown) => {
      if (!origin.abort.aborted) throw error;
    });
  }

  /** The line was refused, by name or alone. */
  blame({ seq }: ReadyMessage, { table, unconfirmed, hasClaimed }: ReadyLine): void {
    this.#fates.blame(seq);
    // Else these are claims of others, who are to blame for them themselves.
    if (!hasClaimed || unconfirmed.length === 0) return;
    this.#schema.giveUp(unconfirmed);
    if (this.#givenUp.size < maxTables || this.#givenUp.has(table))
      this.#givenUp.set(table, (this.#givenUp.get(table) ?? 0) + 1);
  }

  delivered(batch: Batch): void {
    const unconfirmed = batch.parts.flatMap(({ lines }) => lines.flatMap((line) => line.unconfirmed));
    this.#schema.confirm(unconfirmed);
    if (this.#givenUp.size > 0)
      for (const { lines } of batch.parts) for (const { table } of lines) this.#givenUp.delete(table);
  }
}
