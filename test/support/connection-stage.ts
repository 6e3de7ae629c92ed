/**
 * What can stand where InfluxDB or the broker should be, on ports of 127.0.0.1, for all the cases of
 * connection-failures.test.ts together: nginx in front of an InfluxDB, a mosquitto, servers that hang up, say nothing
 * or speak something else. Everything ends with the test.
 */
import type { TestContext } from "node:test";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { makeStageFiles, type StageFiles } from "./connection-stage-files.ts";
import { startNginx } from "./connection-stage-nginx.ts";
import { otherServers, type Other } from "./connection-stage-others.ts";
import {
  brokerListeners,
  brokerWays,
  nginxServers,
  type BrokerWay,
  type NginxWay,
} from "./connection-stage-servers.ts";
import { line, never, writer } from "./influx-http.ts";
import { requireMosquitto } from "./mosquitto.ts";
import { freePort } from "./wait.ts";

export interface ConnectionStage {
  readonly files: StageFiles;
  /** An InfluxDB that is well, in plaintext: HTTP and Flight on one port. */
  readonly influx: number;
  readonly nginx: Readonly<Record<NginxWay, number>>;
  /** A broker that is well, in plaintext. */
  readonly broker: number;
  readonly secureBroker: Readonly<Record<BrokerWay, number>>;
  readonly others: Readonly<Record<Other, number>>;
}

/** Undefined: nginx or mosquitto is missing, and the test is skipped. */
export async function openStage(t: TestContext): Promise<ConnectionStage | undefined> {
  const files = await makeStageFiles(t);
  const standIn = await startInfluxStandIn({ flushIntervalMs: 5 });
  t.after(() => standIn.stop());
  // Its database comes with its first line.
  await writer(t, standIn.url).write(line, never);
  const others = await otherServers(t, files);
  const behind = { influx: standIn.port, nobody: others.nobody, silent: others.silent };
  const nginx = await startNginx(t, nginxServers(files, behind));
  const secureBroker = await freePorts(brokerWays);
  const broker = await requireMosquitto(t, { extraLines: brokerListeners(files, secureBroker) });
  if (nginx === undefined) t.skip("nginx is not installed: apt-get install -y --no-install-recommends nginx");
  if (nginx === undefined || broker === undefined) return undefined;
  return { files, influx: standIn.port, nginx, broker: broker.port, secureBroker, others };
}

async function freePorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const ports = await Promise.all(names.map(async () => await freePort()));
  return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Record<Name, number>;
}
