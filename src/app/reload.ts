/** What a new configuration changes in a running daemon. Pure. */
import type { Config } from "../config/config.ts";
import { Fault } from "../lib/fault.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import { isSame } from "./same.ts";

export interface Changes {
  /** Sources by name: a changed one is ended and started anew. */
  readonly added: readonly MqttConfig[];
  readonly changed: readonly MqttConfig[];
  readonly removed: readonly string[];
  /** What reads the journal: databases, tables, tags, routes. */
  readonly delivery: boolean;
  /** Tables of the file whose change only a restart can carry out. */
  readonly atRestart: readonly string[];
}

export function changesOf(before: Config, after: Config): Changes {
  const were = new Map(before.mqtt.map((mqtt) => [mqtt.name, mqtt]));
  const are = new Map(after.mqtt.map((mqtt) => [mqtt.name, mqtt]));
  const delivered = (config: Config): unknown => [
    config.influx,
    config.routes,
    config.telemetry,
    config.node,
    config.nodeIntervalMs,
  ];
  return {
    added: after.mqtt.filter(({ name }) => !were.has(name)),
    changed: after.mqtt.filter((mqtt) => were.has(mqtt.name) && !isSame(were.get(mqtt.name), mqtt)),
    removed: [...were.keys()].filter((name) => !are.has(name)),
    delivery: !isSame(delivered(before), delivered(after)),
    atRestart: (["journal", "clock", "log"] as const).filter((key) => !isSame(before[key], after[key])),
  };
}

/** The new configuration, with what only a restart can change as it was. */
export function reloadable(before: Config, after: Config): Config {
  const { journal, clock, log } = before;
  return { ...after, journal, clock, log };
}

export function needsRestartFault(tables: readonly string[]): Fault {
  const names = tables.map((name) => `[${name}]`).join(", ");
  return new Fault({
    code: "reload_incomplete",
    layer: "config",
    disposition: "drop",
    message: `${names} changed, and a running daemon keeps what it has of that`,
    hint: "systemctl restart flightline takes it over; nothing is lost by that",
  });
}
