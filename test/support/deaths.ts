/** What a loop of kills has hit, life by life. */

/** Of each kind of proof: kills that it takes at least. */
const proofsWanted = 3;

export type Aim = "random" | "commit" | "answer";

export interface Death {
  readonly aim: Aim;
  readonly livedMs: number;
  /** Messages that this life received; of these: not in the journal; in it, without PUBACK at the broker. */
  readonly received: number;
  readonly notCommitted: number;
  readonly committedNotAcknowledged: number;
  /** Events whose lines InfluxDB has confirmed to this life, and that no settled message stands for. */
  readonly confirmedNotSettled: number;
}

/** Kills fell between commit and PUBACK, and between answer and settlement, and not by one chance. */
export function isProven(deaths: readonly Death[]): boolean {
  const unacknowledged = deaths.filter((death) => death.committedNotAcknowledged > 0).length;
  const unsettled = deaths.filter((death) => death.confirmedNotSettled > 0).length;
  return unacknowledged >= proofsWanted && unsettled >= proofsWanted;
}

const columns: readonly (readonly [heading: string, cell: (death: Death) => string | number])[] = [
  ["aim    ", ({ aim }) => aim],
  ["lived ms", ({ livedMs }) => livedMs.toFixed(0)],
  ["received", ({ received }) => received],
  ["not committed", ({ notCommitted }) => notCommitted],
  ["committed, no PUBACK", ({ committedNotAcknowledged }) => committedNotAcknowledged],
  ["confirmed, not settled", ({ confirmedNotSettled }) => confirmedNotSettled],
];

/** One line for each kill, under a heading. */
export function tableOf(deaths: readonly Death[]): string[] {
  const heading = `kill  ${columns.map(([name]) => name).join("  ")}`;
  const rows = deaths.map((death, index) => {
    const cells = columns.map(([name, cell]) => String(cell(death)).padStart(name.length));
    return `${String(index + 1).padStart(4)}  ${cells.join("  ")}`;
  });
  return [heading, ...rows];
}
