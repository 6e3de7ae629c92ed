/** The InfluxDB stand-in with a record of which uplinks it has, kept by what it commits and answers. */
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn, InfluxStandInOptions } from "../../src/sandbox/influxdb/server.ts";
import { waitFor } from "./wait.ts";

export interface WatchedInflux extends AsyncDisposable {
  readonly standIn: InfluxStandIn;
  readonly url: string;
  /** Deduplication ids in the order of their first commit. */
  readonly written: ReadonlySet<string>;
  /** Calls back with the ids of each write whose answer the system has taken; undefined ends it. */
  onAnswer: ((ids: readonly string[]) => void) | undefined;
  /** Waits until so many different uplinks are committed. `stillWorth` may throw to give up. */
  hasWritten(count: number, timeoutMs: number, stillWorth: () => void): Promise<void>;
}

export async function startWatchedInflux(options: InfluxStandInOptions = {}): Promise<WatchedInflux> {
  const written = new Set<string>();
  const standIn = await startInfluxStandIn({
    flushIntervalMs: 20,
    ...options,
    observe: (phase, { lines }) => {
      const ids = idsIn(lines);
      if (phase === "committed") for (const id of ids) written.add(id);
      else watched.onAnswer?.(ids);
    },
  });
  const watched: WatchedInflux = {
    standIn,
    url: standIn.url,
    written,
    onAnswer: undefined,
    async hasWritten(count, timeoutMs, stillWorth) {
      const isThere = (): boolean => {
        stillWorth();
        return written.size >= count;
      };
      await waitFor(isThere, { timeoutMs, everyMs: 20, what: `${count} uplinks to be written` });
    },
    async [Symbol.asyncDispose]() {
      await standIn.stop();
    },
  };
  return watched;
}

/** One line in three or four is of the table that says which uplink it is. */
function idsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^uplink,.* deduplication_id="([^"]*)"/.exec(line)?.[1] ?? []);
}
