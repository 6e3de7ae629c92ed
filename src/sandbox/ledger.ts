/**
 * What was published, kept by the publisher for a judge. An uplink is entered before its bytes go out, so
 * that nothing in the database can be unknown to the ledger; it becomes an obligation when the publisher
 * has seen the broker's PUBACK.
 *
 * As a file it is ndjson, one line for each of the two facts, for a judge in another process:
 *
 *     {"published":{"deduplicationId":"…","timeNs":"1749818692653481000",…}}
 *     {"acknowledged":"<deduplicationId>"}
 */
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { assert, Fault } from "../lib/fault.ts";
import { linesOf } from "./lines.ts";

export interface PublishedUplink {
  readonly deduplicationId: string;
  readonly applicationId: string;
  readonly devEui: string;
  readonly profileName: string;
  readonly timeNs: bigint;
  readonly fCnt: number;
  readonly fPort: number;
  readonly dr: number;
  readonly spreadingFactor: number;
  readonly receptions: readonly PublishedReception[];
  /** The leaves of `object` by column name; empty when there was none. */
  readonly leaves: ReadonlyMap<string, number | string | boolean>;
}

export interface PublishedReception {
  readonly gatewayId: string;
  readonly rssiDbm: number;
  readonly snrDb: number;
}

export interface LedgerEntry {
  readonly uplink: PublishedUplink;
  readonly acknowledged: boolean;
}

/** Where a publisher writes. */
export interface Ledger {
  published(uplink: PublishedUplink): void;
  acknowledged(deduplicationId: string): void;
}

/** About 1 KB each in memory. */
const mostEntries = 1_000_000;

export class MemoryLedger implements Ledger {
  readonly #entries = new Map<string, { readonly uplink: PublishedUplink; acknowledged: boolean }>();
  #acknowledgedCount = 0;

  get publishedCount(): number {
    return this.#entries.size;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  published(uplink: PublishedUplink): void {
    if (this.#entries.size >= mostEntries) {
      throw new Fault({
        code: "sandbox_ledger_full",
        layer: "host",
        disposition: "fatal",
        message: `the ledger of the simulated devices holds ${mostEntries} uplinks, and no more`,
        hint: "run for a shorter time or with a longer --interval",
      });
    }
    assert(!this.#entries.has(uplink.deduplicationId), "a deduplication id is published once");
    this.#entries.set(uplink.deduplicationId, { uplink, acknowledged: false });
  }

  acknowledged(deduplicationId: string): void {
    const entry = this.#entries.get(deduplicationId);
    assert(entry !== undefined, "only what was published is acknowledged");
    if (!entry.acknowledged) this.#acknowledgedCount += 1;
    entry.acknowledged = true;
  }

  /** Can be gone through more than once. */
  entries(): Iterable<LedgerEntry> {
    return { [Symbol.iterator]: () => this.#entries.values() };
  }
}

/** Appends to an ndjson file; each line is with the kernel before the call returns. Holds no memory. */
export class FileLedger implements Ledger {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
    // The line that a crash cut off, if there is one, must not swallow the next.
    writeSync(this.#file, "\n");
  }

  published(uplink: PublishedUplink): void {
    writeSync(this.#file, publishedLine(uplink));
  }

  acknowledged(deduplicationId: string): void {
    writeSync(this.#file, acknowledgedLine(deduplicationId));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The ledger of such a file. What a crash cut off never led to a publication and is left out. */
export async function readLedger(path: string): Promise<MemoryLedger> {
  const ledger = new MemoryLedger();
  for await (const line of linesOf(createReadStream(path))) {
    const fact = parseLine(line);
    if (fact?.published !== undefined) ledger.published(fact.published);
    if (fact?.acknowledged !== undefined) ledger.acknowledged(fact.acknowledged);
  }
  return ledger;
}

function publishedLine(uplink: PublishedUplink): string {
  const published = { ...uplink, timeNs: String(uplink.timeNs), leaves: Object.fromEntries(uplink.leaves) };
  return `${JSON.stringify({ published })}\n`;
}

function acknowledgedLine(deduplicationId: string): string {
  return `${JSON.stringify({ acknowledged: deduplicationId })}\n`;
}

interface LedgerLine {
  readonly published?: Omit<PublishedUplink, "timeNs" | "leaves"> & {
    readonly timeNs: string;
    readonly leaves: Readonly<Record<string, number | string | boolean>>;
  };
  readonly acknowledged?: string;
}

interface Fact {
  readonly published: PublishedUplink | undefined;
  readonly acknowledged: string | undefined;
}

/** The file is our own, so the shape of a whole line is trusted. */
function parseLine(line: string): Fact | undefined {
  let parsed: LedgerLine;
  try {
    parsed = JSON.parse(line) as LedgerLine;
  } catch {
    return undefined;
  }
  const { published, acknowledged } = parsed;
  if (published === undefined) return { published, acknowledged };
  const { timeNs, leaves } = published;
  return {
    published: { ...published, timeNs: BigInt(timeNs), leaves: new Map(Object.entries(leaves)) },
    acknowledged,
  };
}
