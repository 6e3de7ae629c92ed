import type { Fault } from "../lib/fault.ts";
import type { LineWriter, WriteOutcome } from "./ports.ts";

/** What became of asking for the database. */
type DatabaseOutcome =
  | { readonly kind: "ready" }
  | { readonly kind: "retry"; readonly afterMs: number | undefined; readonly fault: Fault }
  | { readonly kind: "refused"; readonly fault: Fault };

export interface DatabaseWriter extends LineWriter {
  ensureDatabase(signal: AbortSignal): Promise<DatabaseOutcome>;
}

/**
 * A writer that makes sure of the database before the first line: the first write would create it without
 * its retention, which Core cannot change afterwards. A refusal is reported once; writes go on, because
 * the database may well be there.
 */
export function databaseFirst(writer: DatabaseWriter, report: (fault: Fault) => void): LineWriter {
  let asked: Promise<DatabaseOutcome> | undefined;
  let isSettled = false;
  return {
    async write(lines: string, signal: AbortSignal): Promise<WriteOutcome> {
      if (!isSettled) {
        asked ??= writer.ensureDatabase(signal).finally(() => {
          asked = undefined;
        });
        const outcome = await asked;
        if (outcome.kind === "retry") return outcome;
        if (outcome.kind === "refused" && !isSettled) report(outcome.fault);
        isSettled = true;
      }
      return await writer.write(lines, signal);
    },
  };
}
