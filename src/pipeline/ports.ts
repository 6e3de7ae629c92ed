import type { Event } from "../chirpstack/event.ts";
import type { Fault } from "../lib/fault.ts";
import type { IntervalSet } from "../lib/intervals.ts";
import type { Result } from "../lib/result.ts";
import type { JournalMessage } from "../journal/message.ts";
import type { RouteFacts } from "./route.ts";

/** The log of committed messages as its consumers see it. */
export interface MessageLog {
  /** Newest seq. */
  readonly lastSeq: number;
  readonly settled: IntervalSet;
  /** How many messages are not settled. */
  readonly backlog: number;
  /** At most `maxCount` messages with lo ≤ seq ≤ hi, in order; evicted ones are missing. */
  read(lo: number, hi: number, maxCount: number): JournalMessage[];
  /** [lo, hi] need never be looked at again. `mayWait`: that is not worth a commit of its own for minutes. */
  settle(lo: number, hi: number, mayWait?: boolean): void;
}

/** Bytes to meaning; `chirpstack/decode.ts` in production. */
export type Decode = (topic: string, payload: Uint8Array) => Result<Event>;

/** One database, and what belongs into it. Every message belongs to exactly one. */
export interface Destination {
  /** The database: what logs call it. */
  readonly name: string;
  /** Name of the first `[[route]]` that leads there; undefined for `[influxdb]`'s own database. */
  readonly route?: string | undefined;
  /** Undefined: there is no other destination. */
  readonly isMine: ((facts: RouteFacts) => boolean) | undefined;
  /** It settles what needs no write, or cannot be read, as well. One of them does. */
  readonly isDefault: boolean;
}

/** What became of a write, as the writer judges it. */
export type WriteOutcome =
  | { readonly kind: "delivered" }
  /** Nothing is wrong with the lines. */
  | { readonly kind: "retry"; readonly afterMs: number | undefined; readonly fault: Fault }
  /** No write passes until a person has acted. */
  | { readonly kind: "hold"; readonly fault: Fault }
  /** Halve it, down to one line. */
  | { readonly kind: "too_large"; readonly fault: Fault }
  /**
   * `lines`: those that the server names; empty where it names none. `isCertain`: it has read the lines and
   * judged them; else its own trouble can look like this.
   */
  | {
      readonly kind: "refused";
      readonly fault: Fault;
      readonly lines: readonly RefusedLine[];
      readonly isCertain: boolean;
    };

export interface RefusedLine {
  /** 1-based, of the text that was written; a newline in a string ends no line. */
  readonly number: number;
  readonly reason: string;
}

export interface LineWriter {
  /** Writes lines separated by "\n". Rejects only with the signal's reason. */
  write(lines: string, signal: AbortSignal): Promise<WriteOutcome>;
}

/** Where undecodable messages are kept, bytes and all. Durable when `quarantine` returns. */
export interface Quarantine {
  quarantine(entries: readonly QuarantinedMessage[]): void;
}

export interface QuarantinedMessage {
  readonly message: JournalMessage;
  readonly fault: Fault;
}

/** Where lines are kept that InfluxDB has refused, with the messages that they were made of. */
export interface DeadLetters {
  /**
   * Durable when it returns; the same line of the same message again changes nothing. A Fault of disposition
   * retry: there is no room, and nothing was stored.
   */
  bury(entries: readonly DeadLine[]): void;
}

export interface DeadLine {
  /** Its payload is empty when the quota has evicted it meanwhile. */
  readonly message: JournalMessage;
  /** That refused it. */
  readonly database: string;
  readonly line: string;
  /** EUI of the device; undefined where the message is no device's. */
  readonly device: string | undefined;
  /** Code, and the server's reason as its message. */
  readonly fault: Fault;
}

/** Is the wall clock to be believed? */
export interface ClockTrust {
  /** Messages whose time rests on the wall clock may be written now. */
  readonly mayRelease: boolean;
}
