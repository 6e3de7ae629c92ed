/** The streams part under a real supervisor, with the faulty process and short times. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { FlightConfig } from "../../src/influx/flight/api.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { StreamAnswer, StreamsPort } from "../../src/streams/port.ts";
import type { StreamsSettings } from "../../src/streams/settings.ts";
import { openStreams } from "../../src/streams/streams.ts";
import { defaultRestartSettings, type RestartSettings } from "../../src/supervision/restart-policy.ts";
import { Supervisor } from "../../src/supervision/supervisor.ts";
import { RecordingLog } from "./fakes/recording-log.ts";
import { childrenOf } from "./processes.ts";

export const token = "apiv3_token+of/the=tests";

export const flightConfig: FlightConfig = {
  url: "http://127.0.0.1:1",
  database: "lorawan",
  token: new Secret(token),
  tls: { verify: true },
  timeoutMs: 20_000,
};

export interface RunningStreams {
  readonly port: StreamsPort;
  readonly log: RecordingLog;
  readonly supervisor: Supervisor;
  readonly reconfigure: (config: FlightConfig) => void;
  /** As the daemon stops; asserts that no process is left. */
  readonly stop: () => Promise<void>;
}

export interface StreamsOptions {
  readonly settings?: Partial<StreamsSettings>;
  readonly restart?: Partial<RestartSettings>;
  readonly config?: FlightConfig;
  /** "real": that of the daemon. */
  readonly entry?: URL | "real";
  readonly stopDeadlineMs?: number;
}

const faultyEntry = new URL("./faulty-streams-process.ts", import.meta.url);

const soon = { baseMs: 20, capMs: 20, maxRestarts: 100 };

/** Ends with the test. */
export function runStreams(t: TestContext, options: StreamsOptions = {}): RunningStreams {
  const log = new RecordingLog();
  const isParked = (): boolean => supervisor.status().some(({ state }) => state === "parked");
  const streams = openStreams({
    connections: { main: options.config ?? flightConfig },
    log,
    clock: systemClock,
    random: Math.random,
    isParked,
    ...(options.entry === "real" ? {} : { entry: options.entry ?? faultyEntry }),
    settings: options.settings ?? {},
  });
  const child = { name: "streams", restart: "permanent", isCritical: false, stopDeadlineMs: 5000 } as const;
  const supervisor = new Supervisor(
    [[{ ...child, progressDeadlineMs: 60_000, run: async (life) => await streams.run(life) }]],
    {
      clock: systemClock,
      log,
      random: Math.random,
      stopDeadlineMs: options.stopDeadlineMs ?? 5000,
      restart: { ...defaultRestartSettings, ...soon, ...options.restart },
    },
  );
  const stopping = new AbortController();
  const outcome = supervisor.run(stopping.signal, new AbortController().signal);
  const reconfigure = (config: FlightConfig): void => {
    streams.reconfigure({ main: config });
  };
  const stop = async (): Promise<void> => {
    stopping.abort();
    assert.deepEqual(await outcome, { failure: undefined, stragglers: [] });
    assert.deepEqual(processes(), []);
  };
  t.after(stop);
  return { port: streams.port, log, supervisor, reconfigure, stop };
}

/** The streams processes of this process. */
export function processes(): number[] {
  return childrenOf(process.pid)
    .filter(({ argv }) => argv.some((argument) => argument.includes("streams-process")))
    .map(({ pid }) => pid);
}

/** The fault that the whole answer ends with. */
export async function faultOf(answer: StreamAnswer): Promise<Fault> {
  try {
    await answer.collect();
  } catch (error) {
    assert.ok(error instanceof Fault, `it is no fault: ${String(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: "the query was answered" });
}
