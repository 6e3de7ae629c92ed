/** What Flightline does with a configuration: it loads it, writes, reads the schema, asks a query. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { createFlightSqlClient } from "../../src/influx/flight/flight-sql-client.ts";
import { flightConfigOf } from "../../src/influx/flight/config.ts";
import type { FlightSqlClient } from "../../src/influx/flight/flight-sql-api.ts";
import type { SchemaAnswer } from "../../src/influx/schema-answer.ts";
import { createSchemaReader } from "../../src/influx/schema-reader.ts";
import { createWriter, type LineWriter } from "../../src/influx/writer.ts";
import { Fault } from "../../src/lib/fault.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const never = new AbortController().signal;

/** What a page's `[influxdb]` needs to be a whole configuration. */
const rest = `
[[mqtt]]
url = "mqtt://127.0.0.1:1883"
[journal]
dir = "journal"
`;

/** All that is another thing here than on the page: these are one folder of the test's. Names and ports are the page's. */
const placesOfThePage = ["/etc/flightline", "/run/secrets/flightline"];

export class Setup {
  readonly file: string;
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(folder: string, toml: string, name = "flightline.toml") {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.file = join(folder, name);
    this.#env = { CREDENTIALS_DIRECTORY: folder };
    const here = placesOfThePage.reduce((text, place) => text.replaceAll(place, folder), toml);
    writeFileSync(this.file, here + rest);
  }

  /** In the words of `flightline check` where it is wrong. */
  load(): Config | string {
    const loaded = loadConfig({ file: this.file, env: this.#env });
    return loaded.ok ? loaded.config : this.#asOnThePage(loaded.problems.map(formatProblem).join(""));
  }

  #asOnThePage(text: string): string {
    return text.replaceAll(this.folder, "/etc/flightline");
  }

  /** The program itself. */
  async run(
    [command = "", ...options]: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ readonly code: number | null; readonly out: string }> {
    const child = spawn(process.execPath, [main, command, "-c", this.file, ...options], {
      env: { ...process.env, ...this.#env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, out: this.#asOnThePage(out) };
  }
}

export interface Row {
  readonly device: string;
  readonly n: number;
}

export class Roads {
  readonly writer: LineWriter;
  readonly flight: FlightSqlClient;
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
    this.writer = createWriter(config.influx);
    this.flight = createFlightSqlClient(flightConfigOf(config.influx));
  }

  /** Undefined: delivered. */
  async write({ device, n }: Row): Promise<Fault | undefined> {
    const outcome = await this.writer.write(`uplink,dev_eui=${device} n=${n}i ${n}000000000`, never);
    return outcome.kind === "delivered" ? undefined : outcome.fault;
  }

  async schema(): Promise<SchemaAnswer> {
    const reader = createSchemaReader({
      config: this.#config.influx,
      tables: ["uplink"],
      prefix: "",
      askOverFlight: async (text, timeoutMs, signal) =>
        await this.flight.query({ text, timeoutMs, signal, retry: "never" }).rows().collect(),
    });
    try {
      return await reader.read(never);
    } finally {
      reader.close();
    }
  }

  /** The numbers of a device, or why there are none. */
  async query(device: string, timeoutMs = 5000): Promise<readonly number[] | Fault> {
    const text = `SELECT n FROM uplink WHERE dev_eui = '${device}' ORDER BY n`;
    try {
      const rows = await this.flight.query({ text, timeoutMs, retry: "never" }).rows().collect();
      return rows.map(({ n }) => Number(n));
    } catch (error) {
      if (error instanceof Fault) return error;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.flight.close();
    await this.writer.close();
  }
}
