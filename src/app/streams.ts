/** The streams process as a part of the daemon: what is asked over Flight is asked through it. */
import type { Config } from "../config/config.ts";
import { flightConfigOf } from "../influx/flight/config.ts";
import { influxDestinations } from "../influx/route-config.ts";
import type { AskOverFlight } from "../influx/schema-reader.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { noAnswerFault } from "../streams/faults.ts";
import type { StreamsPort } from "../streams/port.ts";
import { type Connections, openStreams, type Streams } from "../streams/streams.ts";
import type { Child } from "../supervision/child.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { progressDeadlineMs, stopDeadlineMs } from "./children.ts";
import type { AppOptions } from "./options.ts";

const name = "streams";

/** While the part is not to run, as in safe mode, nobody waits for it. */
export function openStreamsOf(
  { config, log, openStreams: open = openStreams }: AppOptions,
  supervisor: () => Pick<Supervisor, "status">,
): Streams {
  const isParked = (): boolean => {
    const state = supervisor()
      .status()
      .find((part) => part.name === name)?.state;
    return state === undefined || state === "parked" || state === "ended";
  };
  return open({ connections: connectionsOf(config), log, clock, random: Math.random, isParked });
}

export function streamsChild(streams: Streams): Child {
  return {
    name,
    restart: "permanent",
    isCritical: false,
    progressDeadlineMs,
    stopDeadlineMs,
    run: async (life) => {
      await streams.run(life);
    },
  };
}

/** One for each destination, in their order. */
export function connectionsOf({ influx, routes }: Pick<Config, "influx" | "routes">): Connections {
  const all = influxDestinations(influx, routes);
  return Object.fromEntries(all.map((one, index) => [connectionName(index), flightConfigOf(one.influx)]));
}

/** Of the destination at that place. */
export function connectionName(index: number): string {
  return index === 0 ? "main" : `other${index}`;
}

/** The process keeps the time too, and says more than that it is over; one that is stuck says nothing. */
const graceMs = 500;

/** Whoever reads the schema asks again himself. */
export function schemaAsker(port: Pick<StreamsPort, "query">, connection: string): AskOverFlight {
  return async (text, timeoutMs, signal) => {
    const overdue = new AbortController();
    const timer = setTimeout(() => overdue.abort(noAnswerFault(timeoutMs)), timeoutMs + graceMs);
    try {
      const asking = AbortSignal.any([signal, overdue.signal]);
      const query = { text, connection, timeoutMs, retry: "never" } as const;
      return await port.query(query, asking).collect({ maxRows: 100_000 });
    } finally {
      clearTimeout(timer);
    }
  };
}
