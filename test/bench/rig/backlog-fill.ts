/** Fills a data folder with a backlog, in a process of its own. */
import { Child } from "./child.ts";

export interface BacklogFillSettings {
  /** Data folder; it exists. */
  readonly dir: string;
  /** Numbers of the uplink stream: first … first + count − 1. */
  readonly first: number;
  readonly count: number;
  /** Name of the source that they are said to have come from. */
  readonly source: string;
  readonly maxSizeBytes: number;
}

interface FillReport {
  /** In the second report: it is done. */
  readonly meanPayloadBytes?: number;
}

const fillTimeoutMs = 300_000;

export async function fillJournal(settings: BacklogFillSettings): Promise<{ meanPayloadBytes: number }> {
  const file = new URL("./backlog-fill-process.ts", import.meta.url);
  const { child } = await Child.start<object, FillReport>(file, settings);
  try {
    const { meanPayloadBytes } = await child.nextReport(fillTimeoutMs);
    if (meanPayloadBytes === undefined) throw new Error("the journal was not filled");
    return { meanPayloadBytes };
  } finally {
    await child.stop();
  }
}
