import { ErrorWithSubackPacket, type IConnackPacket, type IPublishPacket, type MqttClient } from "mqtt";
import { settledWithin } from "../lib/abort.ts";
import { assert, Fault } from "../lib/fault.ts";
import { createClient, openTunnel } from "../mqtt/client.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import { type ConnectOptions, connectOptions, type ProtocolVersion } from "../mqtt/connect-options.ts";
import { deferAcks } from "../mqtt/deferred-ack.ts";
import {
  closedFault,
  connectFault,
  connectionFault,
  lostFault,
  reasonFault,
  silentFault,
  unansweredSubscribeFault,
} from "../mqtt/faults.ts";
import { behindProxy } from "../net/diagnose.ts";
import { within } from "../net/probe-socket.ts";

/**
 * One short connection to a broker, made as the daemon makes its own, with these differences:
 *
 * - it has no last will and publishes nothing, ever;
 * - it acknowledges nothing: should the broker mistake it for somebody else, no message of theirs is lost by that;
 * - its session is a clean one, unless it asks for another.
 *
 * Waits throw a `Fault` when the connection fails or gives no answer in time, and the signal's reason when aborted.
 */
export interface Door {
  readonly config: MqttConfig;
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** How long the broker is to keep the session (in MQTT 3.1.1: for good). Undefined: a clean one, gone at the end. */
  readonly keepMs?: number | undefined;
  /** Called for each message, in order. */
  readonly received?: (packet: IPublishPacket) => void;
}

/** Of one answer of the broker, which a busy one at the other end of a slow line gives in less. */
const answerMs = 4000;
/** For the broker to close after DISCONNECT. */
const leaveMs = 500;

/** The caller has to `leave`. */
export async function enter(door: Door, signal: AbortSignal): Promise<BrokerClient> {
  signal.throwIfAborted();
  const options = optionsOf(door);
  const connectTimeoutMs = Math.min(door.config.connectTimeoutMs, answerMs);
  const tunnel = await openTunnel({ ...door.config, connectTimeoutMs }, signal);
  if (signal.aborted) tunnel?.destroy();
  signal.throwIfAborted();
  const client = new BrokerClient(door, createClient(door.config.url, options, tunnel));
  try {
    await client.accepted(signal);
    return client;
  } catch (error) {
    await client.leave("keep");
    throw error;
  }
}

export class BrokerClient {
  readonly #client: MqttClient;
  readonly #door: Door;
  readonly #ended = Promise.withResolvers<Fault>();
  #connack: IConnackPacket | undefined;
  #end: Fault | undefined;

  constructor(door: Door, client: MqttClient) {
    this.#door = door;
    this.#client = client;
    this.#listen();
    deferAcks(this.#client, {
      publish: (packet) => door.received?.(packet),
      pressure: () => undefined,
    });
  }

  get connack(): IConnackPacket {
    assert(this.#connack !== undefined, "only a client that was let in is handed on");
    return this.#connack;
  }

  /** Resolves with the reason when the broker or the network ends the connection. */
  get ended(): Promise<Fault> {
    return this.#ended.promise;
  }

  #listen(): void {
    const client = this.#client;
    const { url } = this.#door.config;
    const end = (fault: Fault): void => {
      // The first tells the reason; the others are what follows from it.
      this.#end ??= behindProxy(fault, this.#door.config.proxy);
      this.#ended.resolve(this.#end);
    };
    // These stay: the library emits errors also after the connection has gone.
    client.on("error", (error) => {
      end(this.#connack === undefined ? connectFault(error, url) : connectionFault(error, url));
    });
    client.on("disconnect", ({ reasonCode }) => end(reasonFault(reasonCode ?? 0, url)));
    client.on("close", () => end(this.#connack === undefined ? closedFault(url) : lostFault(url)));
  }

  async accepted(signal: AbortSignal): Promise<void> {
    const { url, connectTimeoutMs } = this.#door.config;
    const timeoutMs = Math.min(connectTimeoutMs, answerMs);
    const connack = new Promise<IConnackPacket>((resolve) => this.#client.once("connect", resolve));
    this.#connack = await this.#until(connack, timeoutMs, silentFault(url, timeoutMs), signal);
  }

  /**
   * The QoS that is granted to a subscription at QoS 1, or a reason code from 128 on. Retained messages come only
   * where they are asked for; MQTT 3.1.1 sends them always.
   */
  async subscribe(
    filter: string,
    signal: AbortSignal,
    retained: "with" | "without" = "without",
  ): Promise<number> {
    const { config, version } = this.#door;
    const options =
      version === 5 ? { qos: 1 as const, rh: retained === "with" ? 0 : 2 } : { qos: 1 as const };
    const granted = this.#client.subscribeAsync(filter, options).then(
      ([first]) => first?.qos ?? 128,
      (error: unknown) => refusal(error) ?? never(),
    );
    const late = unansweredSubscribeFault(config.url, answerMs);
    return await this.#until<number>(granted, answerMs, late, signal);
  }

  /** Undefined while the connection stands: the broker answers a ping. */
  async faultOfPing(signal: AbortSignal): Promise<Fault | undefined> {
    if (this.#end !== undefined) return this.#end;
    const { url, proxy } = this.#door.config;
    const late = behindProxy(silentFault(url, answerMs), proxy);
    const answer = within<Fault | undefined>({ timeoutMs: answerMs, signal }, late, (settle) => {
      this.#client.on("packetreceive", ({ cmd }) => {
        if (cmd === "pingresp") settle(undefined);
      });
      void this.ended.then(settle);
    });
    this.#client.sendPing();
    const fault = await answer;
    signal.throwIfAborted();
    return fault;
  }

  /** "forget": the broker need not keep the session; only MQTT 5 can say so. Afterwards nothing is open. */
  async leave(session: "keep" | "forget"): Promise<void> {
    const client = this.#client;
    if (client.connected) {
      const isForgotten = session === "forget" && this.#door.version === 5;
      const farewell = isForgotten ? { properties: { sessionExpiryInterval: 0 } } : {};
      await settledWithin(
        client.endAsync(false, farewell).catch(() => {}),
        leaveMs,
      );
    }
    if (client.stream.closed) return;
    const closed = new Promise((resolve) => client.stream.once("close", resolve));
    client.stream.destroy();
    await closed;
  }

  async #until<T>(work: Promise<T>, timeoutMs: number, late: Fault, signal: AbortSignal): Promise<T> {
    const outcome = await within<{ readonly value: T } | Fault>({ timeoutMs, signal }, late, (settle) => {
      void work.then((value) => settle({ value }));
      void this.ended.then(settle);
    });
    signal.throwIfAborted();
    if (outcome instanceof Fault)
      throw outcome === late ? behindProxy(late, this.#door.config.proxy) : outcome;
    return outcome.value;
  }
}

/** Of a subscription; undefined when the connection ended instead, which `ended` tells. */
function refusal(error: unknown): number | undefined {
  if (!(error instanceof ErrorWithSubackPacket)) return undefined;
  // The library's type knows neither that there may be none, nor what SUBACK has in it.
  const suback = error.packet as { readonly granted?: readonly unknown[] } | undefined;
  const [code] = suback?.granted ?? [];
  return typeof code === "number" ? code : undefined;
}

async function never(): Promise<number> {
  return await new Promise<number>(() => {});
}

/** Throws the fault of a TLS file. */
function optionsOf({ config, clientId, version, keepMs }: Door): ConnectOptions {
  // No state topic: no last will.
  const options = connectOptions({ ...config, stateTopic: "" }, clientId, version);
  const kept = Math.min(0xffff_fffe, Math.round((keepMs ?? 0) / 1000));
  return {
    ...options,
    clean: keepMs === undefined,
    ...(version === 5 ? { properties: { ...options.properties, sessionExpiryInterval: kept } } : {}),
  };
}
