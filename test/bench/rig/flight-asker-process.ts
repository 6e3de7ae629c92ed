/** Asks a small query again and again by the Flight client itself, one at a time, and reads its rows. */
import { createFlightClient } from "../../../src/influx/flight/client.ts";
import { helperSettings, report } from "./child.ts";

export interface AskerSettings {
  readonly url: string;
  readonly database: string;
}

export interface AskerOrder {
  readonly text: string;
  readonly times: number;
}

export interface AskerReport {
  /** Of each query, from the call to its last row. */
  readonly ms: readonly number[];
}

const settings = helperSettings() as AskerSettings;
const client = createFlightClient({ ...settings, tls: { verify: true }, timeoutMs: 20_000 });

async function ask({ text, times }: AskerOrder): Promise<AskerReport> {
  const ms: number[] = [];
  while (ms.length < times) {
    const startMs = performance.now();
    const rows = await client.query({ text }).rows().collect();
    ms.push(performance.now() - startMs);
    if (rows.length !== 1) throw new Error(`${rows.length} rows instead of 1`);
  }
  return { ms };
}

process.on("message", (order: AskerOrder) => {
  // A rejection ends this process, which the benchmark sees.
  void ask(order).then(report);
});
report({ ms: [] });
