/** Name, port and TLS of a broker, as one probe sees them: what it tells in lines. Pure but for the probe's answers. */
import type { Fault } from "../lib/fault.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import { explain } from "../net/probe-explain.ts";
import type { ProbeReport } from "../net/probe-report.ts";
import type { Lines } from "./lines.ts";
import { tellWay as tell } from "./way.ts";

export interface Way {
  /** Nothing can connect: a line says why. */
  readonly isClosed: boolean;
  /** What the probe makes of the answers on a connection that stands. Not told: CONNECT as configured knows better. */
  readonly suspicion: Fault | undefined;
}

export const wayChecks = ["name", "tcp", "tls"] as const;

export function tellWay({ url, tls, password }: MqttConfig, report: ProbeReport, lines: Lines): Way {
  const fault = explain(report, { target: "broker", url });
  const way = { url, tls, secret: password && "password" } as const;
  const { isOpen, suspicion } = tell(lines, way, report, fault, new Set(wayChecks));
  return { isClosed: !isOpen, suspicion };
}
