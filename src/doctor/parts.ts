/** Which examinations a configuration needs: the only place that knows them all. Lowest layer first. */
import type { Config } from "../config/config.ts";
import type { InfluxConfig } from "../influx/config.ts";
import { influxDestinations } from "../influx/route-config.ts";
import { journalSchema } from "../journal/config.ts";
import { defined } from "../lib/schema.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import { hostOf } from "../net/url-host.ts";
import type { DaemonStatus } from "../status/daemon-status.ts";
import { clockSchema } from "../systemd/config.ts";
import { examineBroker } from "./broker.ts";
import type { Part } from "./doctor.ts";
import { examineFlight } from "./flight.ts";
import { examineInfluxdb } from "./influxdb.ts";
import { examineJournal } from "./journal.ts";
import { examineSystemd, type SystemdDeps } from "./systemd.ts";

/** Of systemd what tests put others in the place of. */
export interface PartsDeps extends Pick<SystemdDeps, "systemctl" | "bootedDir"> {
  /** What a running daemon says of itself; undefined where none answers. Never rejects. */
  readonly daemon: (signal: AbortSignal) => Promise<DaemonStatus | undefined>;
  /** How long brokers are listened to; tests do not wait as long. */
  readonly listenMs?: number;
}

/** Without a configuration there is only what needs none. */
export function partsOf(config: Config | undefined, deps: PartsDeps): Part[] {
  const systemd = {
    id: "systemd",
    title: "systemd",
    examine: examineSystemd({ ...deps, ...service(config) }),
  };
  if (config === undefined) return [systemd];
  const { journal, mqtt, influx, routes } = config;
  const [, ...others] = influxDestinations(influx, routes);
  return [
    systemd,
    { id: "journal", title: "journal", examine: examineJournal(journal, deps) },
    ...mqtt.map((source) => brokerPart(source, deps)),
    ...databaseParts("main", influx, "server"),
    // All routes lead to the server of [influxdb], which has been looked at.
    ...others.flatMap(({ influx: other, routes: [first = 0] }) =>
      databaseParts(`route.${routes[first]?.name ?? ""}`, other, "database"),
    ),
  ];
}

/** Without a configuration: what one would say that says nothing of it. */
function service(config: Config | undefined): Omit<SystemdDeps, "daemon"> {
  if (config === undefined) {
    const { dir: dataDir } = journalSchema.parse({});
    return { dataDir, clock: clockSchema.parse({}), peers: { brokers: [], databases: [] } };
  }
  const { journal, clock, mqtt, influx } = config;
  const databases = [...new Set([influx.url, influx.flightUrl])];
  return { dataDir: journal.dir, clock, peers: { brokers: mqtt.map(({ url }) => url), databases } };
}

function brokerPart(source: MqttConfig, deps: PartsDeps): Part {
  const { name } = source;
  return {
    id: `broker.${name}`,
    title: `broker ${name}`,
    host: hostOf(source),
    examine: async (report, signal) => {
      const daemon = deps
        .daemon(signal)
        .then((status) => status?.snapshot.sources.find((other) => other.name === name));
      await examineBroker(source, { daemon, ...defined({ listenMs: deps.listenMs }) })(report, signal);
    },
  };
}

function databaseParts(name: string, influx: InfluxConfig, about: "server" | "database"): Part[] {
  const { flightUrl, proxy } = influx;
  const title = name.replace(".", " ");
  return [
    {
      id: `influxdb.${name}`,
      title: `InfluxDB ${title}`,
      host: hostOf(influx),
      examine: examineInfluxdb(name, influx, { about }),
    },
    {
      id: `flight.${name}`,
      title: `Flight ${title}`,
      host: hostOf({ url: flightUrl, proxy }),
      examine: examineFlight(name, influx, { about }),
    },
  ];
}
