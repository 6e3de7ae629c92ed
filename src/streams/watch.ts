/**
 * Looks at the streams process: does it answer, how much memory has it. Memory is what the kernel says of it,
 * so that a process that hangs is seen as well. Silence is counted in looks: while the daemon itself stood
 * still, the answers lay in the channel.
 */
import { readFileSync } from "node:fs";
import { formatBytes } from "../lib/units.ts";
import { type ProcessFailure, stuckFailure } from "./faults.ts";
import type { ToProcess } from "./messages.ts";
import type { StreamsSettings } from "./settings.ts";

type WatchSettings = Pick<StreamsSettings, "maxRssBytes" | "memoryEveryMs" | "pingEveryMs" | "pingTimeoutMs">;

type SendPing = (ping: Extract<ToProcess, { readonly kind: "ping" }>) => void;

export class Watch {
  readonly #settings: WatchSettings;
  readonly #send: SendPing;
  #nextLookMs: number;
  #nextPingMs: number;
  #lastPing = 0;
  #lastPong = 0;
  #silentMs = 0;

  constructor(settings: WatchSettings, nowMs: number, send: SendPing) {
    this.#settings = settings;
    this.#send = send;
    this.#nextLookMs = nowMs + settings.memoryEveryMs;
    this.#nextPingMs = nowMs;
  }

  get nextLookMs(): number {
    return this.#nextLookMs;
  }

  pong(id: number): void {
    this.#lastPong = Math.max(this.#lastPong, id);
    if (this.#lastPong >= this.#lastPing) this.#silentMs = 0;
  }

  /** Why the process must be killed; undefined: all is well, or it is not time to look. */
  look(pid: number, nowMs: number, isReady: boolean): ProcessFailure | undefined {
    if (nowMs < this.#nextLookMs) return undefined;
    const { maxRssBytes, memoryEveryMs, pingTimeoutMs, pingEveryMs } = this.#settings;
    this.#nextLookMs = nowMs + memoryEveryMs;
    const rssBytes = residentBytes(pid) ?? 0;
    if (rssBytes > maxRssBytes) return memoryFailure(rssBytes, maxRssBytes);
    if (this.#lastPong < this.#lastPing) {
      this.#silentMs += memoryEveryMs;
      return this.#silentMs > pingTimeoutMs ? silentFailure(this.#silentMs) : undefined;
    }
    if (isReady && nowMs >= this.#nextPingMs) {
      this.#nextPingMs = nowMs + pingEveryMs;
      this.#lastPing += 1;
      this.#send({ kind: "ping", id: this.#lastPing });
    }
    return undefined;
  }
}

/** proc(5), in kB: statm counts in pages, and there are machines with large ones. */
function residentBytes(pid: number): number | undefined {
  try {
    const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    // It has gone, which its end tells.
    return undefined;
  }
}

function memoryFailure(rssBytes: number, maxRssBytes: number): ProcessFailure {
  return {
    code: "streams_memory",
    what: `took ${formatBytes(rssBytes)} of memory, more than its ${formatBytes(maxRssBytes)}, and was killed`,
    hint: "find the query that takes it: a LIMIT, a shorter time range or fewer columns make it smaller",
  };
}

function silentFailure(silentMs: number): ProcessFailure {
  return stuckFailure(`did not answer for ${Math.round(silentMs / 1000)} s`);
}
