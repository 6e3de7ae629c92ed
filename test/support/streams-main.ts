/**
 * The built daemon, whose streams process a test asks and may replace: orders come over Node's IPC channel, one answer
 * for each, and SIGTERM ends it. What it runs is dist/; only the seams are here. The log is its standard output.
 */
import { errorCode } from "../../src/lib/fault.ts";
import type * as AppRoom from "../../src/app.ts";
import type * as LogRoom from "../../src/cli/logging.ts";
import type * as ConfigRoom from "../../src/config/load.ts";
import type { StreamsPort, StreamsStatus } from "../../src/streams/port.ts";
import type { StreamsSettings } from "../../src/streams/settings.ts";
import type * as StreamsRoom from "../../src/streams/streams.ts";
import type * as RestartRoom from "../../src/supervision/restart-policy.ts";
import type { RestartSettings } from "../../src/supervision/restart-policy.ts";

export interface StreamsMainSettings {
  readonly configFile: string;
  /** The build. */
  readonly dist: string;
  /** The program of the streams process; undefined: the daemon's own. */
  readonly entry?: string;
  readonly settings?: Partial<StreamsSettings>;
  /** For all parts of the daemon. */
  readonly restart?: Partial<RestartSettings>;
}

export type StreamsOrder =
  | { readonly kind: "ask"; readonly text: string }
  | { readonly kind: "subscribe"; readonly text: string; readonly everyMs: number }
  | { readonly kind: "status" };

/** How a query ended: with so many rows, or with a fault. */
export type Outcome = { readonly ms: number } & (
  | { readonly rows: number }
  | { readonly code: string; readonly message: string }
);

export type StreamsReply = Outcome | StreamsStatus | { readonly subscribed: true };

export interface Numbered<T> {
  readonly id: number;
  readonly body: T;
}

const options = JSON.parse(process.argv[2] ?? "") as StreamsMainSettings;

async function built<T>(path: string): Promise<T> {
  return (await import(new URL(path, `file://${options.dist}/`).href)) as T;
}

const { openApp } = await built<typeof AppRoom>("app.js");
const { createLog } = await built<typeof LogRoom>("cli/logging.js");
const { loadConfig } = await built<typeof ConfigRoom>("config/load.js");
const { openStreams } = await built<typeof StreamsRoom>("streams/streams.js");
const { defaultRestartSettings } = await built<typeof RestartRoom>("supervision/restart-policy.js");
Object.assign(defaultRestartSettings, options.restart);

const loaded = loadConfig({ file: options.configFile, env: {} });
if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
const { config } = loaded;
const { promise: opened, resolve: open } = Promise.withResolvers<StreamsPort>();
const app = openApp({
  config,
  log: createLog(config.log, { isTerminal: false, underSystemd: false }),
  version: "1.2.3",
  openStreams: (deps) => {
    const { entry, settings = {} } = options;
    const planted = entry === undefined ? {} : { entry: new URL(entry) };
    const streams = openStreams({ ...deps, ...planted, settings });
    open(streams.port);
    return streams;
  },
});
const port = await opened;

async function ask(text: string): Promise<Outcome> {
  const startMs = performance.now();
  try {
    const { length: rows } = await port.query({ text }).collect();
    return { rows, ms: performance.now() - startMs };
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    return { code, message: error.message, ms: performance.now() - startMs };
  }
}

async function reply(order: StreamsOrder): Promise<StreamsReply> {
  if (order.kind === "ask") return await ask(order.text);
  if (order.kind === "status") return port.status();
  const { text, everyMs } = order;
  const nothing = (): void => undefined;
  port.subscribe({ text }, { name: text, everyMs, onAnswer: nothing, onFault: nothing });
  return { subscribed: true };
}

process.on("message", ({ id, body }: Numbered<StreamsOrder>) => {
  // A rejection is a mistake of this file, and ends the process.
  void reply(body).then((answer) => process.send?.({ id, body: answer } satisfies Numbered<StreamsReply>));
});
// It ends with the test, however that ends.
process.once("disconnect", () => {
  process.kill(process.pid, "SIGKILL");
});
const stop = new AbortController();
process.once("SIGTERM", () => {
  stop.abort();
});
const { failure } = await app.run(stop.signal);
process.exit(failure === undefined ? 0 : 1);
