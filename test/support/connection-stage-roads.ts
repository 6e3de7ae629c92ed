/**
 * The ways out of the daemon, each in its production code, configured with the keys of the documentation. Each gives
 * the faults that were said, in their order; none when all is well.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { influxSchema, type InfluxConfig } from "../../src/influx/config.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { flightConfigOf } from "../../src/influx/flight/config.ts";
import { createSchemaReader } from "../../src/influx/schema-reader.ts";
import { createWriter } from "../../src/influx/writer.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { Fault } from "../../src/lib/fault.ts";
import { mqttSchema } from "../../src/mqtt/config.ts";
import { openStreams, type Streams } from "../../src/streams/streams.ts";
import { RecordingLog } from "./fakes/recording-log.ts";
import { line, never } from "./influx-http.ts";
import { SourceRun } from "./mqtt-source.ts";
import { waitFor } from "./wait.ts";

/** A step of a probe may take 5 s. */
const toldWithinMs = 9000;

/** Neither may show up in what is said. */
export const token = "apiv3_not-to-be-seen";
export const password = "p4ss-not-to-be-seen";

export interface Approach {
  /** Of `[influxdb]` or `[[mqtt]]`. */
  readonly settings: Readonly<Record<string, unknown>> & { readonly url: string };
  readonly timeoutMs: number;
  /** Is it what is expected? */
  readonly isIt: (fault: Fault) => boolean;
  /** Only a probe can tell. Who does not wait for one is asked again, until it has told. */
  readonly byProbe: boolean;
}

type Travel = (approach: Approach) => Promise<readonly Fault[]>;

/** By name. `streams` is another process, which all its approaches share. */
export const roads = { write, flight, mqtt, columns } satisfies Record<string, Travel>;

export type Road = keyof typeof roads | "streams";

async function write(approach: Approach): Promise<readonly Fault[]> {
  const writer = createWriter(influx(approach));
  const ask = async (): Promise<Fault | undefined> => {
    const outcome = await writer.write(line, never);
    return outcome.kind === "delivered" ? undefined : outcome.fault;
  };
  try {
    return await untilTold(ask, approach);
  } finally {
    await writer.close();
  }
}

async function flight(approach: Approach): Promise<readonly Fault[]> {
  const client = createFlightClient(flightConfigOf(influx(approach)));
  const ask = async (): Promise<Fault | undefined> =>
    await faultOf(client.query({ text: "SELECT 1", retry: "never" }).rows().collect());
  try {
    return await untilTold(ask, approach);
  } finally {
    client.close();
  }
}

async function columns(approach: Approach): Promise<readonly Fault[]> {
  const reader = createSchemaReader({
    config: influx(approach),
    tables: ["climate"],
    prefix: "",
    askOverFlight: async () => await Promise.reject(new Error("HTTP is spoken there")),
  });
  const ask = async (): Promise<Fault | undefined> => {
    const answer = await reader.read(never);
    return answer.kind === "read" ? undefined : answer.fault;
  };
  try {
    return await untilTold(ask, approach);
  } finally {
    reader.close();
  }
}

async function mqtt({ settings, timeoutMs }: Approach): Promise<readonly Fault[]> {
  const source = mqttSchema.parse({
    username: "gateway",
    password,
    client_id: `flightline-${(clients += 1)}`,
    connect_timeout: `${timeoutMs}ms`,
    ...settings,
  });
  const run = new SourceRun({ config: { ...source, name: "mqtt" }, random: () => 0 });
  const { faults } = run.log;
  try {
    await waitFor(() => faults.length > 0 || run.source.status.state === "connected", {
      what: "the source to connect, or to say why it does not",
      timeoutMs: 10_000,
    });
    return faults.slice(0, 1).map(({ fault }) => fault);
  } finally {
    await run.stop();
  }
}

/** A broker has one connection for each client id. */
let clients = 0;

/** A streams process and what it says of each approach. */
export async function streamsOf(
  approaches: readonly Approach[],
  t: TestContext,
): Promise<(approach: Approach) => Promise<readonly Fault[]>> {
  const configs = approaches.map((approach) => flightConfigOf(influx(approach)));
  const names = configs.map((config, index) => [`c${index}`, config] as const);
  const [main] = configs;
  assert.ok(main !== undefined);
  const streams: Streams = openStreams({
    connections: { main, ...Object.fromEntries(names) },
    log: new RecordingLog(),
    clock: systemClock,
    random: Math.random,
    isParked: () => false,
  });
  const stop = new AbortController();
  const life = { drain: stop.signal, abort: stop.signal, beat: () => {}, ready: () => {} };
  const ended = streams.run(life);
  t.after(async () => {
    stop.abort();
    await ended;
  });
  return async (approach) => {
    const connection = `c${approaches.indexOf(approach)}`;
    const ask = async (): Promise<Fault | undefined> =>
      await faultOf(streams.port.query({ text: "SELECT 1", connection, retry: "never" }).collect());
    return await untilTold(ask, approach);
  };
}

function influx({ settings, timeoutMs }: Approach): InfluxConfig {
  const time = `${timeoutMs}ms`;
  return influxSchema.parse({
    database: "lorawan",
    token,
    write_timeout: time,
    query_timeout: time,
    ...settings,
  });
}

async function untilTold(
  ask: () => Promise<Fault | undefined>,
  { isIt, byProbe }: Approach,
): Promise<readonly Fault[]> {
  const said: Fault[] = [];
  const deadlineMs = performance.now() + toldWithinMs;
  for (;;) {
    const fault = await ask();
    if (fault === undefined) return said;
    if (said.at(-1)?.code !== fault.code || isIt(fault)) said.push(fault);
    if (!byProbe || isIt(fault) || performance.now() >= deadlineMs) return said;
    await delay(30);
  }
}

async function faultOf(asked: Promise<unknown>): Promise<Fault | undefined> {
  try {
    await asked;
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Fault, `no fault: ${inspect(error)}`);
    return error;
  }
}
