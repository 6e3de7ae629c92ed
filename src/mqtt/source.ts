import type { IConnackPacket, IPublishPacket } from "mqtt";
import { sleep } from "../lib/abort.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import type { Beat } from "../lib/pulse.ts";
import { behindProxy } from "../net/diagnose.ts";
import { Outages } from "../net/probe-outage.ts";
import type { MqttConfig } from "./config.ts";
import type { ProtocolVersion } from "./connect-options.ts";
import { calmMs, Contest, howEnded, Witness } from "./contest.ts";
import {
  clientIdContestedFault,
  connectFault,
  isUnsupportedVersion,
  qos0Fault,
  sessionLostFault,
  subscriptionFault,
} from "./faults.ts";
import { type DaemonMode, runSession, type SessionHandler } from "./session.ts";

/** A message as the broker delivered it. `acknowledge` sends its PUBACK; undefined but at QoS 1. */
export interface Delivery {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly duplicate: boolean;
  readonly retained: boolean;
  readonly acknowledge: (() => void) | undefined;
}

/** What is known, over restarts, of the session that the broker keeps for a client id. */
export interface SessionMemory {
  /** The topic filters that may be in it; undefined when there should be no session. */
  filters(): readonly string[] | undefined;
  /** Durable when it returns, if it can be. */
  keep(filters: readonly string[]): void;
}

export interface SourceDeps {
  readonly config: MqttConfig;
  readonly clientId: string;
  readonly session: SessionMemory;
  readonly mode: DaemonMode;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  deliver(delivery: Delivery): void;
  /** Undefined while deliveries are welcome; else resolves when they are again. */
  pressure(): Promise<void> | undefined;
  /** Between two probes of a broker that is away; there is a default. */
  readonly probeEveryMs?: number | undefined;
}

const reconnect = { baseMs: 500, capMs: 60_000 };
/** A connection that lasted this long was a good one: the next failure starts the backoff anew. */
const goodConnectionMs = 30_000;
const olderWindow = 20;
const repeatWarningMs = 3_600_000;
const repeatFaultMs = 60_000;
/** Of one step of a probe, which takes twice that at most. */
const probeStepMs = 5000;

export interface SourceStatus {
  state: "connecting" | "connected" | "waiting";
  connects: number;
  lastFault: Fault | undefined;
  /** Messages by the QoS that they came with, without retained ones. */
  readonly received: { qos0: number; qos1: number };
}

/**
 * One `[[mqtt]]` source: keeps a session with its broker for as long as the signal lets it, whatever
 * happens to the connection. Resolves after a drained stop; rejects only for a fault that waiting cannot
 * mend (an unreadable certificate is not one: files get replaced).
 */
export class Source {
  readonly #deps: SourceDeps;
  readonly #warned = new FaultThrottle(repeatWarningMs);
  readonly #failed = new FaultThrottle(repeatFaultMs);
  readonly #outages: Outages;
  #version: ProtocolVersion;
  #connectedSinceMs: number | undefined;
  #sessionPresent = false;
  /** It was us who ended the connection: nothing came any more, or no MQTT. */
  #hasGivenUp = false;
  /** With another client that has our client id. */
  readonly #contest = new Contest();
  readonly status: SourceStatus = {
    state: "connecting",
    connects: 0,
    lastFault: undefined,
    received: { qos0: 0, qos1: 0 },
  };

  constructor(deps: SourceDeps) {
    const { url, tls, proxy, connectTimeoutMs, protocol } = deps.config;
    const timeoutMs = Math.min(probeStepMs, connectTimeoutMs);
    const target = { target: "broker", speaks: "mqtt", url, tls, timeoutMs } as const;
    this.#deps = deps;
    this.#version = protocol === "3.1.1" ? 4 : 5;
    this.#outages = new Outages(proxy === undefined ? target : undefined, deps.probeEveryMs);
  }

  get name(): string {
    return this.#deps.config.name;
  }

  /** Messages the broker sends before it needs a PUBACK: ours to choose in MQTT 5, mosquitto's default before. */
  get window(): number {
    return this.#version === 5 ? this.#deps.config.receiveMaximum : olderWindow;
  }

  async run(signal: AbortSignal, beat?: Beat): Promise<void> {
    const { clock, random } = this.#deps;
    let failures = 0;
    while (!signal.aborted) {
      beat?.();
      const ended = await this.#once(signal, beat);
      if (ended === undefined) return;
      if (ended === "fall_back") continue;
      const { failure, lastedMs, sinceMs } = ended;
      // Two that fight for one client id must not begin anew each time that one waits for long.
      if (lastedMs > (this.#contest.isOn ? calmMs : goodConnectionMs)) {
        failures = 0;
        this.#failed.reset(failure.code);
      }
      this.status.lastFault = failure;
      this.#say(failure);
      const pauseMs = backoffMs({ ...reconnect, attempt: failures, random });
      await sleep(pauseMs - (clock.uptimeMs() - sinceMs), signal);
      failures += 1;
    }
  }

  /** One connection and why it ended; `lastedMs` is negative where there was none. The pause runs since `sinceMs`. */
  async #once(
    signal: AbortSignal,
    beat: Beat | undefined,
  ): Promise<{ failure: Fault; lastedMs: number; sinceMs: number } | "fall_back" | undefined> {
    const { clock, config } = this.#deps;
    this.status.state = "connecting";
    this.#connectedSinceMs = undefined;
    this.#hasGivenUp = false;
    // Where a proxy is in between, its connections say nothing of the broker's.
    const isWatched = this.#contest.isSuspected && config.proxy === undefined;
    const witness = isWatched ? Witness.beside(config, signal) : undefined;
    try {
      const ended = await this.#session(signal, beat);
      if (ended === undefined || ended === "fall_back") return ended;
      const sinceMs = clock.uptimeMs();
      const lastedMs = sinceMs - (this.#connectedSinceMs ?? Infinity);
      this.status.state = "waiting";
      // While it is looked into, what is known of the outage stands.
      this.status.lastFault ??= ended;
      beat?.();
      if (lastedMs >= 0) {
        const how = howEnded(ended, this.#hasGivenUp);
        const evidence = how === "closed" ? ((await witness?.evidence(signal)) ?? "none") : "none";
        this.#contest.ended({ how, lastedMs, sessionPresent: this.#sessionPresent, evidence });
        // Where the broker says what has happened, that is the better word.
        const isContested = this.#contest.isOn && how === "closed";
        return { failure: isContested ? clientIdContestedFault(config.url) : ended, lastedMs, sinceMs };
      }
      this.#contest.over();
      // A broker that has let us in is one, and is found by its address: only here there is more to say.
      const failure = await this.#outages.refined(ended, sinceMs, signal);
      return { failure, lastedMs, sinceMs: clock.uptimeMs() };
    } finally {
      witness?.close();
    }
  }

  /** Until then a connection that stands may be taken away at any moment, and that is what is told of it. */
  async #untilCalm(signal: AbortSignal): Promise<void> {
    await sleep(calmMs, signal);
    if (signal.aborted) return;
    this.#contest.over();
    this.status.lastFault = undefined;
    this.#deps.log.info("no other client takes our place at the broker any more", { source: this.name });
  }

  async #session(signal: AbortSignal, beat: Beat | undefined): Promise<Fault | "fall_back" | undefined> {
    const { config, clientId } = this.#deps;
    const over = new AbortController();
    try {
      const options = {
        config,
        clientId,
        protocolVersion: this.#version,
        handler: this.#handler(AbortSignal.any([signal, over.signal])),
        beat,
        mode: this.#deps.mode,
      };
      await runSession(options, signal);
      return undefined;
    } catch (error) {
      if (isUnsupportedVersion(error) && this.#version === 5 && config.protocol === "auto") {
        this.#version = 4;
        this.#deps.log.info("the broker does not speak MQTT 5, falling back to 3.1.1", {
          source: config.name,
        });
        return "fall_back";
      }
      if (isUnsupportedVersion(error)) return connectFault(error, config.url);
      if (error instanceof Fault) return behindProxy(error, config.proxy);
      throw error;
    } finally {
      over.abort();
    }
  }

  /** `over`: aborts with the session. */
  #handler(over: AbortSignal): SessionHandler {
    return {
      connected: (connack) => {
        this.#connected(connack);
      },
      subscribed: (refused) => {
        this.status.state = "connected";
        if (this.#contest.isOn) void this.#untilCalm(over);
        else this.status.lastFault = undefined;
        for (const filter of refused) this.#warn(subscriptionFault(filter, this.#deps.config.url), filter);
      },
      former: () => this.#former(),
      gaveUp: () => {
        this.#hasGivenUp = true;
      },
      unsubscribed: (filters) => {
        this.#deps.log.info("unsubscribed from topics of a former configuration", {
          source: this.name,
          topics: filters.join(" "),
        });
        this.#deps.session.keep(this.#deps.config.topics);
      },
      publish: (packet, acknowledge) => {
        this.#publish(packet, acknowledge);
      },
      pressure: () => this.#deps.pressure(),
    };
  }

  #former(): readonly string[] {
    const { session, config } = this.#deps;
    return (session.filters() ?? []).filter((filter) => !config.topics.includes(filter));
  }

  #connected(connack: IConnackPacket): void {
    const { config, clientId, log } = this.#deps;
    this.status.connects += 1;
    this.#connectedSinceMs = this.#deps.clock.uptimeMs();
    this.#sessionPresent = connack.sessionPresent;
    this.#outages.over();
    log.info("connected to the broker", {
      source: config.name,
      url: config.url,
      clientId,
      mqtt: this.#version === 5 ? "5" : "3.1.1",
      session: connack.sessionPresent ? "resumed" : "new",
    });
    const { session } = this.#deps;
    const known = session.filters();
    if (!connack.sessionPresent && known !== undefined) this.#say(sessionLostFault(config.url));
    // Before SUBSCRIBE: what a crash leaves unsaid could not be taken back.
    const kept = connack.sessionPresent ? (known ?? []) : [];
    session.keep([...new Set([...kept, ...config.topics])]);
  }

  #publish(packet: IPublishPacket, acknowledge: (() => void) | undefined): void {
    const { config } = this.#deps;
    if (!packet.retain) this.status.received[packet.qos === 0 ? "qos0" : "qos1"] += 1;
    if (packet.qos === 0 && !packet.retain) this.#warn(qos0Fault(packet.topic, config.url), "qos0");
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    this.#deps.deliver({
      topic: packet.topic,
      payload,
      qos: packet.qos,
      duplicate: packet.dup,
      retained: packet.retain,
      acknowledge,
    });
  }

  #warn(fault: Fault, key: string): void {
    const { clock, log, config } = this.#deps;
    if (this.#warned.admit(key, clock.uptimeMs()) !== undefined) log.fault(fault, { source: config.name });
  }

  #say(fault: Fault): void {
    const { clock, log, config } = this.#deps;
    const suppressed = this.#failed.admit(fault.code, clock.uptimeMs());
    if (suppressed === undefined) return;
    log.fault(fault, { source: config.name, ...(suppressed > 0 ? { repeated: suppressed } : {}) });
  }
}
