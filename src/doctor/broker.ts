import { randomBytes } from "node:crypto";
import { afterDelay, once } from "../lib/abort.ts";
import { Fault } from "../lib/fault.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import type { ProtocolVersion } from "../mqtt/connect-options.ts";
import { isAmbiguous } from "../net/refiner.ts";
import { probe } from "../net/probe.ts";
import { within } from "../net/probe-socket.ts";
import { urlHostAndPort } from "../net/url-host.ts";
import { enter, type BrokerClient, type Door } from "./broker-client.ts";
import { tellConnack } from "./broker-connack.ts";
import { isProven, tellEvents, type DaemonSource } from "./broker-events.ts";
import { clientIdBound, clientIdReplaced, noSessions } from "./broker-faults.ts";
import { forget, grantedTo, isSessionKept, meet, type Met } from "./broker-session.ts";
import { Ear, subscribeTopics } from "./broker-subscribe.ts";
import { askAbout, tellAbout } from "./broker-version.ts";
import { tellWay, wayChecks, type Way } from "./broker-way.ts";
import type { Examination } from "./finding.ts";
import { Lines, roundedMs, shownMs } from "./lines.ts";

/**
 * One `[[mqtt]]` source and its broker, from the name to the QoS of what arrives.
 *
 * - The daemon's session and its messages are never touched: every connection has a client id of its own and
 *   acknowledges nothing; a shared subscription is taken in a group of its own, where it takes nothing away from the
 *   daemon's. A broker that gives all clients of a user one client id is noticed at the first connection, which has
 *   taken the place of the daemon's by then; it is given back at once, and the daemon reconnects.
 * - Nothing is published, and after the end, an abort too, the broker keeps nothing of it.
 * - It ends within `totalMs`, and then all that it opened is closed.
 */
export interface BrokerDeps {
  /** What the running daemon says of this source; undefined: none runs. Must not reject. */
  readonly daemon?: DaemonSource | undefined | Promise<DaemonSource | undefined>;
  /** For events to come; default 6 s. */
  readonly listenMs?: number;
}

const checks = [
  ...wayChecks,
  "connect",
  "protocol",
  "receive_maximum",
  "subscribe",
  "session",
  "qos",
  "version",
  "queue",
] as const;

/** Of a step of the probe, which takes twice that at most. */
const probeMs = 2000;
const totalMs = 15_000;
const defaultListenMs = 6000;

export function examineBroker(config: MqttConfig, deps: BrokerDeps = {}): Examination {
  return async (report, signal) => {
    const lines = new Lines(`broker.${config.name}`, checks, report);
    const stop = new AbortController();
    const forgetAbort = once(signal, () => stop.abort());
    if (signal.aborted) stop.abort();
    const forgetTime = afterDelay(totalMs, () => stop.abort());
    try {
      await new BrokerExamination(config, deps, lines, stop.signal).run();
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      // Whoever aborts says so in his own words.
      if (!signal.aborted) lines.rest(`not tried: no time left after ${totalMs / 1000} s`);
    } finally {
      forgetTime();
      forgetAbort();
    }
  };
}

class BrokerExamination {
  readonly #config: MqttConfig;
  readonly #deps: BrokerDeps;
  readonly #lines: Lines;
  readonly #signal: AbortSignal;
  readonly #unique = randomBytes(4).toString("hex");
  /** The broker may keep a session under our client id. Never when our ids are not what it knows us by. */
  #hasSession = false;

  constructor(config: MqttConfig, deps: BrokerDeps, lines: Lines, signal: AbortSignal) {
    this.#config = config;
    this.#deps = deps;
    this.#lines = lines;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const way = await this.#way();
    const met = way.isClosed ? undefined : await this.#meet(way);
    if (met === undefined) {
      this.#lines.rest("not tried: no connection");
      return;
    }
    if (met.isForeign) {
      // As it was found: not a message of it has been acknowledged.
      await met.client.leave("keep");
      this.#tellReplaced();
      return;
    }
    this.#hasSession = true;
    try {
      if (await this.#examineConnack(met)) await this.#examineEvents(met);
    } finally {
      await met.client.leave("forget");
      await this.#forget(met.version);
    }
  }

  async #way(): Promise<Way> {
    const { url, tls, proxy } = this.#config;
    if (proxy !== undefined) {
      for (const check of wayChecks) this.#lines.skipped(check, "not looked at here: the proxy connects");
      return { isClosed: false, suspicion: undefined };
    }
    const report = await probe({ url, tls, speaks: "mqtt", timeoutMs: probeMs }, this.#signal);
    this.#signal.throwIfAborted();
    return tellWay(this.#config, report, this.#lines);
  }

  async #forget(version: ProtocolVersion): Promise<void> {
    if (!this.#hasSession) return;
    this.#hasSession = false;
    await forget(this.#door("s", version));
  }

  /** 22 characters unless a client id is configured: brokers of MQTT 3.1.1 need not take more than 23. */
  get #stem(): string {
    return this.#config.clientId ?? "flightline";
  }

  #door(purpose: "s" | "l" | "v", version: ProtocolVersion): Door {
    const clientId = `${this.#stem}-dr${this.#unique}${purpose}`;
    return { config: this.#config, clientId, version };
  }

  async #meet({ suspicion }: Way): Promise<Met | undefined> {
    const { url } = this.#config;
    const startedMs = performance.now();
    try {
      const met = await meet(this.#config, this.#door("s", 5).clientId, this.#signal);
      if (met.isForeign) return met;
      const ms = performance.now() - startedMs;
      const as = this.#config.username === undefined ? "" : ` as ${JSON.stringify(this.#config.username)}`;
      const connectMs = roundedMs(ms);
      this.#lines.ok("connect", `${urlHostAndPort(url)} lets us in${as}, ${shownMs(ms)}`, { connectMs });
      return met;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      await this.#tellRefused(suspicion !== undefined && isAmbiguous(error) ? suspicion : error);
      return undefined;
    }
  }

  async #tellRefused(fault: Fault): Promise<void> {
    if (!ofIdentity.has(fault.code)) {
      this.#lines.fault("connect", fault);
      return;
    }
    if ((await this.#daemon())?.state === "connected") {
      this.#lines.fault("connect", clientIdBound(this.#stem), "warning");
      return;
    }
    const { code, layer, disposition, message, hint = "" } = fault;
    const doubt =
      "a broker that binds the user to the daemon's client id answers so too: start the daemon, and see flightline status";
    this.#lines.fault("connect", new Fault({ code, layer, disposition, message, hint: `${hint}; ${doubt}` }));
  }

  #tellReplaced(): void {
    this.#hasSession = false;
    this.#lines.fault("connect", clientIdReplaced(), "warning");
    this.#lines.rest("not tried: it would disturb whoever has the session");
  }

  async #daemon(): Promise<DaemonSource | undefined> {
    const asked = Promise.resolve(this.#deps.daemon);
    const bound = { timeoutMs: totalMs, signal: this.#signal };
    return await within<DaemonSource | undefined>(bound, undefined, (settle) => void asked.then(settle));
  }

  /** On a connection with a clean session, as long as events may come; meanwhile what needs others. */
  async #examineEvents({ client: first, version }: Met): Promise<void> {
    const ear = new Ear(this.#config.stateTopic);
    const door = { ...this.#door("l", version), received: ear.received };
    const listener = await this.#orTell(enter(door, this.#signal));
    if (listener === undefined) return;
    try {
      const isReplaced = await this.#orTell(this.#isReplaced(first, listener));
      if (isReplaced === true) this.#tellReplaced();
      if (isReplaced !== false) return;
      await first.leave("forget");
      const source = { config: this.#config, group: `flightline-dr${this.#unique}` };
      const grants = await this.#orTell(subscribeTopics(listener, source, this.#lines, this.#signal));
      if (grants === undefined) return;
      const [told] = await together([
        askAbout(this.#door("v", version), this.#signal),
        this.#examineSession(grants[0]?.filter, version),
      ]);
      if (grants.length === 0) this.#lines.skipped("qos", "not tried: no topic is granted");
      else if (grants.every(({ qos }) => qos === 0)) {
        this.#lines.skipped("qos", "not told: the broker grants QoS 0 only");
      } else await this.#listen(ear, listener);
      tellAbout(told, this.#lines);
    } finally {
      await listener.leave("forget");
    }
  }

  /** Whether the one has lost its place to the other. Throws the fault of a connection that failed by itself. */
  async #isReplaced(first: BrokerClient, listener: BrokerClient): Promise<boolean> {
    const fault = await first.faultOfPing(this.#signal);
    if (fault === undefined) return false;
    if (fault.code === "broker_session_taken_over") return true;
    const isClosed = fault.code === "broker_connection_lost";
    if (isClosed && (await listener.faultOfPing(this.#signal)) === undefined) return true;
    throw fault;
  }

  async #listen(ear: Ear, listener: BrokerClient): Promise<void> {
    const daemon = await this.#daemon();
    const listenMs = isProven(daemon) ? 0 : (this.#deps.listenMs ?? defaultListenMs);
    const ended = await ear.listen(listener, listenMs, this.#signal);
    if (ended !== undefined && ear.heard.isSilent) this.#lines.fault("qos", ended);
    else tellEvents(ear.heard, ear.heardMs, daemon, this.#lines);
  }

  /** False: there is nothing more to examine. */
  async #examineConnack({ client, version }: Met): Promise<boolean> {
    const granted =
      version === 4
        ? (client.connack.properties ?? {})
        : await this.#orTell(grantedTo(this.#door("v", version), this.#signal), "protocol");
    if (granted === undefined) return false;
    tellConnack(this.#config, version, granted, this.#lines);
    return true;
  }

  /** What ends the examination is told with the first check that it keeps from being made. */
  async #orTell<T>(work: Promise<T>, check: "protocol" | "subscribe" = "subscribe"): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#lines.fault(check, error);
      this.#lines.rest(`not tried: no ${check === "protocol" ? "second connection" : "subscription"}`);
      return undefined;
    }
  }

  async #examineSession(filter: string | undefined, version: ProtocolVersion): Promise<void> {
    if (filter === undefined) {
      this.#lines.skipped("session", "not tried: no topic is granted");
      return;
    }
    try {
      const isKept = await isSessionKept(this.#door("s", version), filter, this.#signal);
      if (isKept === undefined) this.#lines.skipped("session", "not tried: no topic of its own is granted");
      else if (isKept) this.#lines.ok("session", "kept while its client was away, and found again");
      else this.#lines.fault("session", noSessions());
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#lines.fault("session", error);
    } finally {
      await this.#forget(version);
    }
  }
}

/** As Promise.all, but a rejection waits for the other: each closes what it has opened. */
async function together<A, B>(work: readonly [Promise<A>, Promise<B>]): Promise<readonly [A, B]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

/** About who connects, of which the client id may be a part. */
const ofIdentity: ReadonlySet<string> = new Set([
  "broker_not_authorized",
  "broker_bad_credentials",
  "broker_client_id_refused",
]);
