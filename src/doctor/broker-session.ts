import type { IConnackPacket } from "mqtt";
import { BugError, Fault } from "../lib/fault.ts";
import { isUnsupportedVersion } from "../mqtt/faults.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import type { ProtocolVersion } from "../mqtt/connect-options.ts";
import { enter, type BrokerClient, type Door } from "./broker-client.ts";

/**
 * Kept sessions of an examination, and how they are removed again. When the process is killed, brokers that speak MQTT
 * 5 drop by themselves what is left: within a minute a session with a subscription, and after the time that is
 * configured one without, for which they keep no messages.
 */

/** Of the session that is tried: MQTT 5 only. */
const trialMs = 60_000;
const forgetMs = 1000;

export interface Met {
  readonly client: BrokerClient;
  readonly version: ProtocolVersion;
  /** The session is not the examination's: the broker takes it for somebody else. */
  readonly isForeign: boolean;
}

/**
 * The first connection, as the daemon's: it asks for the same session, subscribes to nothing, and starts nothing
 * anew, so that a session which is somebody else's after all is neither lost nor changed. The caller has to `leave`.
 */
export async function meet(config: MqttConfig, clientId: string, signal: AbortSignal): Promise<Met> {
  const versions: readonly ProtocolVersion[] = {
    auto: [5, 4] as const,
    "5": [5] as const,
    "3.1.1": [4] as const,
  }[config.protocol];
  for (const version of versions) {
    try {
      const client = await enter({ config, clientId, version, keepMs: config.sessionExpiryMs }, signal);
      return { client, version, isForeign: isForeign(client.connack, clientId) };
    } catch (error) {
      const isLast = version === versions.at(-1);
      if (isLast || !(error instanceof Fault && isUnsupportedVersion(error.cause))) throw error;
    }
  }
  throw new BugError("a configuration names a version of MQTT at least");
}

/** Nobody can have a session under an id that was drawn a moment ago. */
function isForeign({ sessionPresent, properties }: IConnackPacket, clientId: string): boolean {
  const given = properties?.assignedClientIdentifier;
  return sessionPresent || (given !== undefined && given !== clientId);
}

/** Whether the broker has kept a session with this subscription while its client was away. Leaves it: see `forget`. */
export async function isSessionKept(door: Door, filter: string, signal: AbortSignal): Promise<boolean> {
  const kept = { ...door, keepMs: trialMs };
  const first = await enter(kept, signal);
  try {
    await first.subscribe(filter, signal);
  } finally {
    await first.leave("keep");
  }
  const second = await enter(kept, signal);
  await second.leave("forget");
  return second.connack.sessionPresent;
}

/**
 * A clean session takes the place of a kept one, and is gone with its connection. Only for a client id that is known to
 * be the examination's own: somebody else's session would be lost by it. Also after an abort.
 */
export async function forget({ config, clientId, version }: Door): Promise<void> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), forgetMs);
  try {
    const client = await enter({ config, clientId, version }, stop.signal);
    await client.leave("forget");
  } catch (error) {
    // The broker has gone: nothing more can be done about it from here.
    if (!(error instanceof Fault) && !stop.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}
