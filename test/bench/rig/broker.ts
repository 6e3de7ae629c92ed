/** mosquitto as Debian configures it, apart from the listener, anonymous access and where its log goes. */
import { startMosquitto } from "../../support/mosquitto.ts";
import type { Mosquitto } from "../../support/mosquitto.ts";
import { waitFor } from "../../support/wait.ts";

/** The types that are on by default, and the one that says when a client has subscribed. */
const logTypes = ["none", "error", "warning", "notice", "information", "subscribe"];

export async function startBroker(): Promise<Mosquitto> {
  const extraLines = logTypes.map((type) => `log_type ${type}`);
  const broker = await startMosquitto({ persistence: true, extraLines });
  if (broker === undefined) throw new Error("mosquitto is not installed: apt-get install mosquitto");
  return broker;
}

/** Until then nothing that is published would reach the client. */
export async function untilSubscribed(broker: Mosquitto, clientId: string): Promise<void> {
  // "1732265000: CLIENT 1 FILTER": the 1 is the QoS.
  const line = new RegExp(`: ${clientId} 1 `);
  await waitFor(() => line.test(broker.log()), { timeoutMs: 20_000, what: `${clientId} to subscribe` });
}

/** What mosquitto's queue has no room for is gone, and the figures are of fewer uplinks than they say. */
export function assertNothingDropped(broker: Mosquitto): void {
  const line = broker
    .log()
    .split("\n")
    .find((text) => text.includes("being dropped"));
  if (line !== undefined) throw new Error(`the subscriber was too slow for mosquitto's queue: ${line}`);
}

export function pidOf(broker: Mosquitto): number {
  if (broker.pid === undefined) throw new Error(`mosquitto has ended:\n${broker.log()}`);
  return broker.pid;
}
