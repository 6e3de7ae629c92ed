import type { IConnackPacket } from "mqtt";
import { afterDelay } from "../lib/abort.ts";
import { BugError, Fault } from "../lib/fault.ts";
import { isUnsupportedVersion } from "../mqtt/faults.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import type { ProtocolVersion } from "../mqtt/connect-options.ts";
import { enter, type BrokerClient, type Door } from "./broker-client.ts";
import type { ConnackProperties } from "./broker-connack.ts";

/**
 * Kept sessions of an examination, and how they are removed again.
 *
 * When the process is killed, nobody does that. In MQTT 5 the broker drops a session by itself, for it was asked to
 * keep it for a minute; in MQTT 3.1.1 it keeps it for good. So its subscription is to a topic of its own, where nobody
 * publishes: what is left is empty, and stays so.
 */

/** As long as the broker is asked to keep a session: MQTT 5 only. */
const trialMs = 60_000;
const forgetMs = 1000;

export interface Met {
  readonly client: BrokerClient;
  readonly version: ProtocolVersion;
  /** The session is not the examination's: the broker takes it for somebody else. */
  readonly isForeign: boolean;
}

/**
 * The first connection, as the daemon's: it asks for a kept session, subscribes to nothing, and starts nothing
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
      const client = await enter({ config, clientId, version, keepMs: trialMs }, signal);
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

/**
 * What the broker makes of the session that the daemon asks for, in MQTT 5. Asked for by one that is ended at once and
 * by nobody's client id: no other connection of the examination asks for that long.
 */
export async function grantedTo(door: Door, signal: AbortSignal): Promise<ConnackProperties> {
  try {
    const client = await enter({ ...door, keepMs: door.config.sessionExpiryMs }, signal);
    await client.leave("forget");
    return client.connack.properties ?? {};
  } catch (error) {
    // CONNECT may have been on its way.
    if (signal.aborted) await forget(door);
    throw error;
  }
}

/**
 * Whether the broker has kept a session while its client was away. Undefined: it refuses the subscription that costs
 * nothing when the session stays behind. Leaves the session: see `forget`.
 */
export async function isSessionKept(
  door: Door,
  filter: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const kept = { ...door, keepMs: trialMs };
  // A client id may hold what means something in a filter.
  const own = ownTopic(filter, door.clientId.replaceAll(/[^\w-]/g, "-"));
  // There are rules that allow a filter as it is written, and nothing within it.
  const isTried =
    (await isSubscribed(kept, own, signal).catch(ifFault)) === true ||
    (door.version === 5 && (await isSubscribed(kept, filter, signal)));
  signal.throwIfAborted();
  if (!isTried) return undefined;
  const second = await enter(kept, signal);
  await second.leave("forget");
  return second.connack.sessionPresent;
}

/** A topic within a filter, or below it where that names one topic. */
function ownTopic(filter: string, word: string): string {
  const topic = filter.replace(/(?<=^|\/)[+#](?=\/|$)/g, word);
  return topic === filter ? `${filter}/${word}` : topic;
}

async function isSubscribed(door: Door, filter: string, signal: AbortSignal): Promise<boolean> {
  const client = await enter(door, signal);
  try {
    return (await client.subscribe(filter, signal)) < 128;
  } finally {
    await client.leave("keep");
  }
}

/** Some brokers end the connection of who asks for what is not for him. */
function ifFault(error: unknown): undefined {
  if (!(error instanceof Fault)) throw error;
}

/**
 * A clean session takes the place of a kept one, and is gone with its connection. Only for a client id that is known to
 * be the examination's own: somebody else's session would be lost by it. Also after an abort.
 */
export async function forget({ config, clientId, version }: Door): Promise<void> {
  const stop = new AbortController();
  const forgetTime = afterDelay(forgetMs, () => stop.abort());
  try {
    const client = await enter({ config, clientId, version }, stop.signal);
    await client.leave("forget");
  } catch (error) {
    // The broker has gone: nothing more can be done about it from here.
    if (!(error instanceof Fault) && !stop.signal.aborted) throw error;
  } finally {
    forgetTime();
  }
}
