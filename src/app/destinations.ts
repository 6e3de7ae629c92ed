import type { InfluxConfig } from "../influx/config.ts";
import { databaseKey } from "../influx/schema-cache.ts";
import { createSchemaReader } from "../influx/schema-reader.ts";
import { type InfluxDestination, influxDestinations } from "../influx/route-config.ts";
import { outagesOf } from "../influx/transport.ts";
import { createWriter } from "../influx/writer.ts";
import type { Committer } from "../journal/committer.ts";
import { sleep } from "../lib/abort.ts";
import { systemClock as clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { Beat } from "../lib/pulse.ts";
import type { ClockWatch } from "../pipeline/clock-trust.ts";
import { DatabaseGate } from "../pipeline/database-first.ts";
import type { DecodedEvents } from "../pipeline/decoded.ts";
import type { Deduplicator } from "../pipeline/deduplicator.ts";
import { Forward } from "../pipeline/forward.ts";
import type { Destination } from "../pipeline/ports.ts";
import { belongsTo } from "../pipeline/route.ts";
import { keepSchema, type SchemaKeeper } from "../pipeline/schema-keeper.ts";
import type { StreamsPort } from "../streams/port.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import { ownTables, payloadTablePrefix } from "../telemetry/table.ts";
import type { Files } from "./files.ts";
import type { AppOptions, Shared } from "./options.ts";
import { KeptSchemas } from "./schemas.ts";
import { connectionName, schemaAsker } from "./streams.ts";

/** One database: what writes to it, and what is known of its columns. */
export interface OpenDestination {
  readonly name: string;
  readonly config: InfluxConfig;
  readonly forward: Forward;
  readonly columns: Pick<SchemaKeeper, "trouble">;
  saveSchema(): void;
  close(): Promise<void>;
}

export interface Rest {
  readonly committer: Committer;
  readonly clockWatch: ClockWatch;
  readonly decoded: DecodedEvents;
  readonly deduplicator: Deduplicator;
  readonly streams: StreamsPort;
  readonly shared: Shared;
}

interface RestOfOne extends Rest {
  readonly schemas: KeptSchemas;
  /** Of each database one: all are there, with those who say a retention, before anything is written. */
  readonly gates: Map<string, DatabaseGate>;
  /** Of profiles. */
  readonly payloadTables: readonly string[];
}

/** `[influxdb]` first, then one for each other database that routes lead to. */
export function openDestinations(
  options: AppOptions,
  files: Files,
  rest: Rest,
): readonly [OpenDestination, ...OpenDestination[]] {
  const { influx, routes } = options.config;
  const [main, ...others] = influxDestinations(influx, routes);
  const keys = [main, ...others].map((destination) => databaseKey(destination.influx));
  const stale = files.state.schema.keepOnly(keys);
  if (stale !== undefined) options.log.fault(stale);
  const payloadTables = tablesOfProfiles(options.config.telemetry);
  const schemas = new KeptSchemas(files.state.schema, payloadTables);
  const gates = new Map<string, DatabaseGate>();
  const more = { ...rest, schemas, gates, payloadTables };
  const open = (destination: InfluxDestination, index: number): OpenDestination =>
    openDestination(destination, index, options, files, more);
  return [open(main, 0), ...others.map((destination, index) => open(destination, index + 1))];
}

function openDestination(
  { influx, routes }: InfluxDestination,
  index: number,
  { config, log }: AppOptions,
  { journal, quarantine, deadLetters }: Files,
  { committer, clockWatch, decoded, deduplicator, shared, streams, schemas, gates, payloadTables }: RestOfOne,
): OpenDestination {
  const isDefault = index === 0;
  const isAlone = config.routes.length === 0;
  const matches = config.routes.map(({ match }) => match);
  const isMine = isAlone ? undefined : belongsTo(matches, routes, isDefault);
  const route = isDefault ? undefined : config.routes[routes[0] ?? 0]?.name;
  const destination: Destination = { name: influx.database, route, isMine, isDefault };
  const schema = schemas.of(influx);
  const outages = outagesOf(influx);
  const reader = createSchemaReader({
    config: influx,
    outages,
    tables: [...ownTables, ...payloadTables],
    prefix: payloadTablePrefix,
    askOverFlight: schemaAsker(streams, connectionName(index)),
  });
  const report = (fault: Fault): void => {
    log.fault(fault, isDefault ? {} : { database: influx.database, route });
  };
  const writer = createWriter(influx, outages);
  const gate = gateOf(gates, influx);
  if (influx.retention !== undefined) gate.add(writer, report);
  const columns = keepSchema({ reader, cache: schema.cache, clock, report, activity: shared.activity });
  const forward = new Forward({
    destination,
    writer: gate.before(writer),
    schema: columns,
    limits: {
      maxLines: influx.batchMaxLines,
      maxBytes: influx.batchMaxBytes,
      maxAgeMs: influx.batchMaxAgeMs,
    },
    maxInFlight: influx.maxInFlight,
    log: committer,
    quarantine: { quarantine },
    deadLetters,
    decoded,
    deduplicator,
    clockTrust: clockWatch,
    offsetMs: (bootKey) => journal.boots.offsetMs(bootKey),
    settings: config.telemetry,
    ...shared,
    clock,
    random: Math.random,
    logger: log,
  });
  return {
    name: influx.database,
    config: influx,
    forward,
    columns,
    saveSchema() {
      const fault = schema.save();
      if (fault !== undefined) report(fault);
    },
    async close() {
      reader.close();
      await writer.close();
    },
  };
}

function gateOf(gates: RestOfOne["gates"], influx: InfluxConfig): DatabaseGate {
  const key = databaseKey(influx);
  const gate = gates.get(key) ?? new DatabaseGate();
  gates.set(key, gate);
  return gate;
}

function tablesOfProfiles({ profiles }: TelemetrySettings): string[] {
  return profiles.map(({ table }) => table).filter((table) => table !== undefined);
}

/** All of them, also when one cannot be closed; then it rejects with the reason of the first that could not. */
export async function closeDestinations(
  destinations: readonly Pick<OpenDestination, "close">[],
): Promise<void> {
  const closed = await Promise.allSettled(destinations.map(async (destination) => await destination.close()));
  const failure = closed.find(({ status }) => status === "rejected");
  if (failure?.status === "rejected") throw failure.reason;
}

const saveSchemaEveryMs = 60_000;

/** Column types are rarely new: a look now and then, and one at the end. */
export async function saveSchemas(
  destinations: readonly OpenDestination[],
  signal: AbortSignal,
  beat?: Beat,
): Promise<void> {
  while (!signal.aborted) {
    beat?.();
    await sleep(saveSchemaEveryMs, signal);
    for (const destination of destinations) destination.saveSchema();
  }
}
