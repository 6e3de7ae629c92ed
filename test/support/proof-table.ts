/** The table of the proof: a row for each fault, printed as it ends, and in whole. */
import { appendFileSync } from "node:fs";
import type { Verdict } from "./proof-verdicts.ts";

export interface ProofRow {
  readonly fault: string;
  readonly verdict: Verdict;
  /** That the fault has fallen, and where. */
  readonly proof: string;
}

/** The columns that must be zero. */
export const faultColumns = ["lost", "invented", "altered", "duplicates"] as const;

/** Where scripts/test --soak watches the rows come in; elsewhere there is none. */
const liveFile = process.env["FLIGHTLINE_PROOF_TABLE"];

const faultWidth = 34;
const heading = `${"fault".padEnd(faultWidth)}  events  lost  invented  altered  duplicates  in InfluxDB  elsewhere`;

function rowText({ fault, verdict, proof }: ProofRow): string {
  const { events, written, pending, quarantined, dead, gone } = verdict;
  const elsewhere = Object.entries({ pending, quarantined, dead, "gone, counted": gone })
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
  const counts = faultColumns.map((name) => String(verdict[name]).padStart(name.length)).join("  ");
  const where = `${String(written).padStart(11)}  ${elsewhere === "" ? "-" : elsewhere}`;
  return `${fault.padEnd(faultWidth)}  ${String(events).padStart(6)}  ${counts}  ${where}\n    ${proof}`;
}

export function announce(row: ProofRow): string {
  const text = rowText(row);
  if (liveFile !== undefined) appendFileSync(liveFile, `${text}\n`);
  return text;
}

export function tableText(rows: readonly ProofRow[]): string {
  return [heading, ...rows.map(rowText)].join("\n");
}
