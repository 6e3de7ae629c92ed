/**
 * The brokers and databases as neighbours that come and go: one that keeps appearing and vanishing is said
 * once, with counts, instead of a line for each time.
 */
import { Fault, type Layer } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Source } from "../mqtt/source.ts";
import type { Forward } from "../pipeline/forward.ts";
import {
  defaultFlappingSettings,
  type FlappingNews,
  type FlappingState,
  flappingTold,
  neverSeen,
} from "../supervision/flapping.ts";

export interface Neighbour {
  /** "mqtt", "lorawan": of the source or the database. */
  readonly name: string;
  readonly layer: Extract<Layer, "broker" | "write">;
  /** Undefined: not known. */
  readonly isUp: boolean | undefined;
}

export function neighboursOf(
  sources: Iterable<Pick<Source, "name" | "status">>,
  destinations: readonly { readonly name: string; readonly forward: Pick<Forward, "influxdb"> }[],
): Neighbour[] {
  const brokers = [...sources].map(({ name, status: { state, lastFault } }): Neighbour => {
    const isUp = state === "connected" ? true : lastFault === undefined ? undefined : false;
    return { name, layer: "broker", isUp };
  });
  const databases = destinations.map(({ name, forward: { influxdb } }): Neighbour => {
    return { name, layer: "write", isUp: influxdb === "untried" ? undefined : influxdb === "up" };
  });
  return [...brokers, ...databases];
}

export class NeighbourWatch {
  readonly #log: Log;
  readonly #states = new Map<string, FlappingState>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Now and then, changed or not. `nowMs`: monotonic. */
  look(neighbours: readonly Neighbour[], nowMs: number): void {
    const keys = new Set(neighbours.map(keyOf));
    for (const key of this.#states.keys()) if (!keys.has(key)) this.#states.delete(key);
    for (const neighbour of neighbours) {
      if (neighbour.isUp === undefined) continue;
      const key = keyOf(neighbour);
      const before = this.#states.get(key) ?? neverSeen;
      const { state, news } = flappingTold(before, neighbour.isUp, nowMs, defaultFlappingSettings);
      this.#states.set(key, state);
      if (news !== undefined) this.#tell(neighbour, news, nowMs);
    }
  }

  #tell({ name, layer }: Neighbour, { kind, counts }: FlappingNews, nowMs: number): void {
    const details = {
      ...(layer === "broker" ? { source: name } : { database: name }),
      appeared: counts.appeared,
      vanished: counts.vanished,
      minutes: Math.round((nowMs - counts.sinceMs) / 60_000),
    };
    if (kind === "calm") this.#log.info("what kept coming and going is calm", details);
    else this.#log.fault(flappingFault(layer), details);
  }
}

function keyOf({ name, layer }: Neighbour): string {
  return `${layer} ${name}`;
}

function flappingFault(layer: Neighbour["layer"]): Fault {
  const isBroker = layer === "broker";
  return new Fault({
    code: isBroker ? "broker_flapping" : "influxdb_flapping",
    layer,
    disposition: "retry",
    message: `${isBroker ? "the broker" : "InfluxDB"} keeps appearing and vanishing`,
    hint: isBroker
      ? "see the broker's own log and whether it is restarted again and again (flightline status names the unit); two clients with one client id take each other's place like this"
      : "see InfluxDB's own log, its memory and whether it is restarted again and again (flightline status names the unit), or the line between",
  });
}
