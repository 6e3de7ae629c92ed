/**
 * A second client with our client id: a broker gives an id one connection, so that each takes it from the other.
 *
 * MQTT 5 has a reason code for that (142), which mosquitto 2.0 does not send: it only closes. So it is told by its
 * pattern: a connection that the broker has accepted, with its session present, is closed within seconds, again and
 * again. A broker that is restarted looks the same, and so does a road that ends connections (a balancer, a firewall,
 * a NAT): but there a connection falls too that was opened beside ours, says nothing and has no client id. Only one
 * that still stands when ours has ended speaks for a rival (see `Witness`).
 */
import { connect, isIP, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { once, sleep } from "../lib/abort.ts";
import type { Fault } from "../lib/fault.ts";
import { tlsOptions } from "../net/tls.ts";
import { urlHost } from "../net/url-host.ts";
import type { MqttConfig } from "./config.ts";
import { lostCode } from "./faults.ts";

/** What became of the connection beside ours. "none": there was none, or it fell long before ours. */
export type Evidence = "stood" | "fell" | "none";

/** How a connection ended that the broker had accepted. */
export interface Ending {
  /** "taken over": the broker has said so. "closed": without a word, and not by us. */
  readonly how: "taken over" | "closed" | "other";
  readonly lastedMs: number;
  readonly sessionPresent: boolean;
  readonly evidence: Evidence;
}

/** `hasGivenUp`: it was us. */
export function howEnded({ code }: Fault, hasGivenUp: boolean): Ending["how"] {
  if (code === "broker_session_taken_over") return "taken over";
  return code === lostCode && !hasGivenUp ? "closed" : "other";
}

/** Short ends in a row that are a pattern. */
const shortEnds = 3;
/** Of a connection that nobody contests. */
const shortMs = 30_000;
/** A rival that waits for as long as we do comes back sooner. */
export const calmMs = 150_000;

export class Contest {
  #ends = 0;

  get isOn(): boolean {
    return this.#ends >= shortEnds;
  }

  /** The next connection needs a witness. The first end of its kind is left alone: most are the last. */
  get isSuspected(): boolean {
    return this.#ends > 0;
  }

  ended(ending: Ending): void {
    const counts = isShort(ending, this.isOn) && (ending.how === "taken over" || this.#isByRival(ending));
    this.#ends = counts ? this.#ends + 1 : 0;
  }

  #isByRival({ how, sessionPresent, evidence }: Ending): boolean {
    if (how !== "closed" || !sessionPresent) return false;
    // While it is on, connections may last longer than brokers wait for the first word of a witness.
    return evidence === "stood" || (evidence === "none" && (this.#ends === 0 || this.isOn));
  }

  /** A connection has lasted for `calmMs`, or none was had at all. */
  over(): void {
    this.#ends = 0;
  }
}

/** While it is on, who has us for longer than usual is a rival that waits before it comes again. */
function isShort({ lastedMs }: Ending, isOn: boolean): boolean {
  return lastedMs < (isOn ? calmMs : shortMs);
}

/** What ends both need not end both in the same moment; a broker that ends with its process does. */
const graceMs = 500;
/** One that fell so much earlier fell for a reason of its own: brokers end those who say nothing, some after 10 s. */
const ownReasonMs = 5000;

type BrokerAddress = Pick<MqttConfig, "url" | "tls">;

/**
 * A connection to the broker's address, with TLS where ours has it, on which nothing is sent. It is opened just before
 * ours: what ends connections by their age or for their silence ends this one first. It ends with the signal, with
 * `close`, or after `calmMs`.
 */
export class Witness {
  readonly #socket: Socket;
  readonly #fell = new AbortController();
  #isOpen = false;
  #fellAtMs = 0;

  private constructor(socket: Socket, opened: "connect" | "secureConnect", signal: AbortSignal) {
    this.#socket = socket;
    const stopListening = once(signal, () => socket.destroy());
    socket.setTimeout(calmMs, () => socket.destroy());
    socket.once(opened, () => {
      this.#isOpen = true;
    });
    // What it sends is not of interest, but its end is.
    socket.resume();
    for (const end of ["end", "error", "close"] as const) socket.on(end, () => this.#end());
    socket.once("close", stopListening);
  }

  /** Undefined where there are no certificates to connect with, which our own connection says. */
  static beside({ url, tls }: BrokerAddress, signal: AbortSignal): Witness | undefined {
    const { port, protocol } = new URL(url);
    const host = urlHost(url);
    if (protocol !== "mqtts:") {
      return new Witness(connect({ host, port: Number(port || 1883) }), "connect", signal);
    }
    const to = { host, port: Number(port || 8883), ...(isIP(host) === 0 ? { servername: host } : {}) };
    try {
      return new Witness(connectTls({ ...to, ...tlsOptions(tls) }), "secureConnect", signal);
    } catch {
      return undefined;
    }
  }

  #end(): void {
    if (this.#fell.signal.aborted) return;
    this.#fellAtMs = performance.now();
    this.#fell.abort();
  }

  /** To be asked at once after the end of our connection; takes `graceMs` at most. */
  async evidence(signal: AbortSignal): Promise<Evidence> {
    const endedAtMs = performance.now();
    await sleep(graceMs, AbortSignal.any([signal, this.#fell.signal]));
    // After a standstill of this process a timer is earlier than what has arrived meanwhile.
    await turn();
    if (signal.aborted) return "none";
    if (!this.#fell.signal.aborted) return this.#isOpen ? "stood" : "fell";
    return endedAtMs - this.#fellAtMs > ownReasonMs ? "none" : "fell";
  }

  close(): void {
    this.#socket.destroy();
  }
}
