import { type Sandbox, sandboxDatabase } from "../sandbox/sandbox.ts";
import { influxdbState, type Snapshot } from "../status/snapshot.ts";
import type { DemoResult } from "./demo-verdict.ts";
import type { Io } from "./io.ts";

/** What the demo shows: a block that is redrawn on a terminal, a line now and then elsewhere. */
export class DemoScreen {
  readonly #io: Io;
  #drawnLines = 0;
  #draws = 0;
  /** Oldest first: rates are taken over the last few seconds. */
  readonly #samples: Sample[] = [];

  constructor(io: Io) {
    this.#io = io;
  }

  draw(published: number, snapshot: Snapshot): void {
    const lines = this.#lines(published, snapshot);
    this.#draws += 1;
    if (this.#io.isTerminal) {
      const up = this.#drawnLines === 0 ? "" : `\u001b[${this.#drawnLines}A`;
      this.#io.out(up + lines.map((line) => `\u001b[2K${line}\n`).join(""));
      this.#drawnLines = lines.length;
    } else if (this.#draws % plainEvery === 1) {
      this.#io.out(`${plainLine(published, snapshot)}\n`);
    }
  }

  /** A line below the block; the next block begins below it. */
  say(text: string): void {
    this.#io.out(`${text}\n`);
    this.#drawnLines = 0;
  }

  #lines(published: number, snapshot: Snapshot): string[] {
    const { counters, journal, latencyMs, registry } = snapshot;
    const now = { atMs: performance.now(), published, written: counters.written };
    this.#samples.push(now);
    if (this.#samples.length > rateSamples) this.#samples.shift();
    const before = this.#samples[0] ?? now;
    const seconds = (now.atMs - before.atMs) / 1000;
    const rate = (count: "published" | "written"): string =>
      seconds < 0.1 ? "" : `${((now[count] - before[count]) / seconds).toFixed(0)}/s`;
    return [
      row("uplinks published", published, rate("published")),
      row("messages committed", counters.committed, `last commit ${journal.lastCommitMs.toFixed(1)} ms`),
      row("acknowledged", counters.acknowledged, "PUBACK, each after its commit"),
      row("events written", counters.written, rate("written")),
      row("points written", counters.points, `${counters.batches} batches`),
      row("devices known", registry.devices, `${registry.gateways} gateways`),
      row("backlog", journal.backlog, influxdbState(snapshot) === "away" ? "InfluxDB is away" : ""),
      row("latency", `${ms(latencyMs.p50)} ms`, `p50; p99 ${ms(latencyMs.p99)} ms`),
    ];
  }
}

interface Sample {
  readonly atMs: number;
  readonly published: number;
  readonly written: number;
}

const rateSamples = 10;
const plainEvery = 10;

function row(label: string, value: number | string, note: string): string {
  return `  ${label.padEnd(20)}${String(value).padStart(10)}   ${note}`;
}

function ms(value: number | undefined): string {
  return value === undefined ? "–" : value.toFixed(0);
}

function plainLine(published: number, { counters, journal, latencyMs }: Snapshot): string {
  const { committed, written } = counters;
  return `published ${published}, committed ${committed}, written ${written}, backlog ${journal.backlog}, p99 ${ms(latencyMs.p99)} ms`;
}

export function introduction(sandbox: Sandbox, devices: number): string {
  return `Flightline demo: ${devices} simulated devices → broker → journal → InfluxDB, all on this machine.

  broker     ${sandbox.mqttUrl}
  InfluxDB   ${sandbox.influxdb.url} (a stand-in that speaks InfluxDB 3's wire), database ${sandboxDatabase}

Ask it something from another terminal:

  curl -sG ${sandbox.influxdb.url}/api/v3/query_sql --data-urlencode db=${sandboxDatabase} --data-urlencode format=pretty \\
    --data-urlencode "q=SELECT time, dev_eui, f_cnt, rssi, snr FROM uplink ORDER BY time DESC LIMIT 5"

Ctrl-C ends it.

`;
}

/** `whyNot`: see `whyNoProof`. */
export function summary(result: DemoResult, whyNot: string | undefined): string {
  const { published, written, lost, altered, invented, duplicates, p99_ms } = result;
  return `
Read back and compared with what the devices published:
  published ${published}, written ${written}, lost ${lost}, altered ${altered}, invented ${invented}, duplicates ${duplicates}, p99 ${p99_ms} ms
  ${whyNot ?? "Every uplink is there exactly once."}
`;
}
