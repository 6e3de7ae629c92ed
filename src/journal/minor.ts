import { nameFromTopic } from "../chirpstack/event-name.ts";

/** As the decoder calls them. */
const minorEvents: ReadonlySet<string> = new Set(["log", "txack", "gateway/stats"]);

/**
 * Messages that a full journal gives up before any uplink: logs, txacks and the statistics of gateways. What their
 * topic does not tell is none.
 */
export function isMinor(topic: string): boolean {
  return minorEvents.has(nameFromTopic(topic) ?? "");
}
