/** At which QoS events arrive: what was heard, what a running daemon has counted, and what that means. Pure. */
import type { IPublishPacket } from "mqtt";
import type { Lines } from "./lines.ts";

/** What the running daemon says of this source. */
export interface DaemonSource {
  readonly state: "connecting" | "connected" | "waiting";
  /** Since it started, without retained messages. Undefined: it does not count them. */
  readonly received?: { readonly qos0: number; readonly qos1: number } | undefined;
}

type Publisher = "ChirpStack" | "gateways";

/** Enough to tell: a publisher has one QoS for all that it sends. */
const plenty = 20;

export class Heard {
  readonly atQos0: Record<Publisher, number> = { ChirpStack: 0, gateways: 0 };
  readonly atQos1: Record<Publisher, number> = { ChirpStack: 0, gateways: 0 };
  /** Of a message at QoS 0. */
  readonly topics: Partial<Record<Publisher, string>> = {};
  readonly #ownTopic: string;

  constructor(ownTopic: string) {
    this.#ownTopic = ownTopic;
  }

  /** Retained messages tell of the past, and what the daemon itself publishes of nobody else. */
  take({ topic, qos, retain }: Pick<IPublishPacket, "topic" | "qos" | "retain">): void {
    if (retain || topic === this.#ownTopic) return;
    // The topics of gateways have a prefix or none; those of ChirpStack's integration are what is left.
    const publisher = /(?:^|\/)gateway\/[^/]+\/(?:event|state)\//.test(topic) ? "gateways" : "ChirpStack";
    if (qos > 0) this.atQos1[publisher] += 1;
    else {
      this.atQos0[publisher] += 1;
      this.topics[publisher] ??= topic;
    }
  }

  get qos0(): number {
    return sum(this.atQos0);
  }

  get qos1(): number {
    return sum(this.atQos1);
  }

  get isSilent(): boolean {
    return this.qos0 + this.qos1 === 0;
  }

  get isEnough(): boolean {
    return this.qos0 + this.qos1 >= plenty;
  }
}

function sum(counts: Readonly<Record<Publisher, number>>): number {
  return counts.ChirpStack + counts.gateways;
}

function count(events: number): string {
  return events === 1 ? "1 event" : `${events} events`;
}

/** Whether the daemon has seen enough for nobody to need to listen. */
export function isProven(daemon: DaemonSource | undefined): boolean {
  const { qos0 = 0, qos1 = 0 } = daemon?.received ?? {};
  return qos1 > 0 && qos0 === 0;
}

const cures: Readonly<Record<Publisher, string>> = {
  ChirpStack: "set qos=1 in the section [integration.mqtt] of chirpstack.toml and restart ChirpStack",
  gateways: "set qos=1 in the section [mqtt] of chirpstack-mqtt-forwarder.toml on the gateways",
};

export function tellEvents(
  heard: Heard,
  heardMs: number,
  daemon: DaemonSource | undefined,
  lines: Lines,
): void {
  const counted = daemon?.received;
  const figures = {
    heardMs: Math.round(heardMs),
    qos0: heard.qos0,
    qos1: heard.qos1,
    ...(counted === undefined ? {} : { daemonQos0: counted.qos0, daemonQos1: counted.qos1 }),
  };
  const loss = "such events are lost whenever this daemon or the network is down";
  const seconds = `${Math.round(heardMs / 100) / 10} s`;
  const lossy = (["ChirpStack", "gateways"] as const).filter((publisher) => heard.atQos0[publisher] > 0);
  for (const publisher of lossy) {
    const topic = heard.topics[publisher] ?? "";
    const text = `${count(heard.atQos0[publisher])} at QoS 0 in ${seconds}, such as ${topic}: ${loss}`;
    lines.warning("qos", text, cures[publisher], figures);
  }
  if (lossy.length > 0) return;
  if (counted !== undefined && counted.qos0 > 0) {
    const text = `${counted.qos0} of ${counted.qos0 + counted.qos1} events came at QoS 0 since the daemon started: ${loss}`;
    lines.warning("qos", text, `${cures.ChirpStack}; for the gateways' own, ${cures.gateways}`, figures);
  } else if (counted !== undefined && counted.qos1 > 0) {
    lines.ok("qos", `QoS 1: ${count(counted.qos1)} since the daemon started, and none at QoS 0`, figures);
  } else if (heard.qos1 > 0) lines.ok("qos", `QoS 1: ${count(heard.qos1)} in ${seconds}`, figures);
  else if (counted === undefined) {
    lines.skipped(
      "qos",
      `no event came in ${seconds}, as at any quiet site: try again when a device sends, or when the daemon has run`,
    );
  } else {
    const hint =
      "wait for a device to send, and try again; if they do, see topics in [[mqtt]] and the broker's ACL: mosquitto's acl_file lets a subscription pass and delivers nothing";
    const text = `no event came in ${seconds}, and none since the daemon started`;
    lines.warning("qos", text, hint, figures);
  }
}
