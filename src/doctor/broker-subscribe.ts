/** The topics of a source, subscribed to as the daemon does it, and what the broker grants. */
import { Fault } from "../lib/fault.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import { subscriptionFault } from "../mqtt/faults.ts";
import { within } from "../net/probe-socket.ts";
import type { BrokerClient } from "./broker-client.ts";
import { Heard } from "./broker-events.ts";
import { maximumQos } from "./broker-faults.ts";
import type { Lines } from "./lines.ts";

interface Grant {
  /** As it was subscribed to. */
  readonly filter: string;
  /** A QoS; from 128 on a reason code. */
  readonly qos: number;
}

/** Without those that were refused. */
export async function subscribeTopics(
  client: BrokerClient,
  { config: { topics, url }, group }: { readonly config: MqttConfig; readonly group: string },
  lines: Lines,
  signal: AbortSignal,
): Promise<readonly Grant[]> {
  const answers = await Promise.all(
    topics.map(async (topic) => {
      const filter = inGroup(topic, group);
      return { topic, filter, qos: await client.subscribe(filter, signal) };
    }),
  );
  const refused = answers.filter(({ qos }) => qos >= 128).map(({ topic }) => topic);
  const atQos0 = answers.filter(({ qos }) => qos === 0).map(({ topic }) => topic);
  if (refused.length > 0) lines.fault("subscribe", subscriptionFault(refused.join(", "), url));
  if (atQos0.length > 0) lines.fault("subscribe", qos0Only(atQos0));
  if (refused.length + atQos0.length === 0) {
    const text =
      topics.length === 1 ? `${topics[0]} granted at QoS 1` : `all ${topics.length} topics granted at QoS 1`;
    lines.ok("subscribe", text, { topics: topics.length });
  }
  return answers.filter(({ qos }) => qos < 128);
}

/** In the daemon's own group, a shared subscription would take messages away from it. */
function inGroup(filter: string, group: string): string {
  return filter.replace(/^\$share\/[^/]*\//, `$share/${group}/`);
}

function qos0Only(filters: readonly string[]): Fault {
  const { code, layer, disposition, hint } = maximumQos();
  return new Fault({
    code,
    layer,
    disposition,
    message: `the broker grants QoS 0 only to ${filters.join(", ")}: what comes there while this daemon or the network is down is lost`,
    hint,
  });
}

/** Takes what a connection receives, and can be waited with until that is enough to tell. */
export class Ear {
  readonly heard: Heard;
  readonly received: (packet: Parameters<Heard["take"]>[0]) => void;
  readonly #startedMs = performance.now();
  #isEnough = (): void => {};

  constructor(ownTopic: string) {
    this.heard = new Heard(ownTopic);
    this.received = (packet) => {
      this.heard.take(packet);
      if (this.heard.isEnough) this.#isEnough();
    };
  }

  get heardMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Listens for `listenMs` in all at most; gives the reason when the connection ends before that. */
  async listen(client: BrokerClient, listenMs: number, signal: AbortSignal): Promise<Fault | undefined> {
    const timeoutMs = this.heard.isEnough ? 0 : listenMs - this.heardMs;
    const ended = await within<Fault | undefined>({ timeoutMs, signal }, undefined, (settle) => {
      this.#isEnough = () => settle(undefined);
      void client.ended.then(settle);
    });
    signal.throwIfAborted();
    return ended;
  }
}
