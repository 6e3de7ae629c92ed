/**
 * One read of one query: attempts one after the other, and what holds for all of them together: the deadline, the
 * abort, the byte budget, and whether the consumer has seen rows.
 *
 * Nothing is sent before the first pull, and only a pull asks the call for a message. Pulls are served one at a time,
 * in the order in which they were made. A reading ends once: well, or badly with a reason, with which every later pull
 * rejects too. From then on it owns no call, timer or listener.
 */
import { isDeepStrictEqual } from "node:util";
import { afterDelay, once, sleep } from "../../lib/abort.ts";
import { Fault, assert } from "../../lib/fault.ts";
import type { Column, FlightEnd, ReadOptions } from "./api.ts";
import { Attempt, type AnswerCall, type AnswerHead, type ReadLimits, type Shape } from "./attempt.ts";
import type { CallOptions, FlightChannel } from "./channel.ts";
import { closed, labelled, schemaChanged, timedOut } from "./faults.ts";
import { retryDelayMs } from "./retry.ts";
import { Turns } from "./wait.ts";

const defaultSilenceMs = 20_000;
/** The server measures the deadline with a clock of its own. */
const deadlineSlackMs = 100;
/** A call has the same deadline, and is to see it first: it knows whether there was a connection, and acts on it. */
const deadlineGraceMs = 50;

/** What is asked and how, with what the client adds to it. */
export interface ReadRequest extends ReadOptions {
  /** Begins one attempt: the call whose messages are the answer. Throws a `Fault`. */
  readonly open: (channel: FlightChannel, options: CallOptions) => AnswerCall;
  readonly requestId: string;
  readonly database: string;
  readonly timeoutMs: number;
}

export interface ReadingDeps {
  /** Undefined: the client is closed. */
  readonly channel: () => FlightChannel | undefined;
  readonly random: () => number;
  /** The readings that have begun and not ended. */
  readonly underWay: Set<{ close(): void }>;
}

interface ReadingOptions<T> {
  readonly request: ReadRequest;
  readonly deps: ReadingDeps;
  readonly shape: Shape<T>;
  readonly onEnd: (end: FlightEnd) => void;
}

export class Reading<T extends object> {
  readonly #options: ReadingOptions<T>;
  readonly #limits: ReadLimits;
  readonly #turns = new Turns();
  /** Aborted: the reading has ended badly. */
  readonly #stop = new AbortController();
  #state: "new" | "begun" | "ended well" = "new";
  #attempt: Attempt<T> | undefined;
  #attempts = 0;
  #lastFault: Fault | undefined;
  #deadlineMs = Infinity;
  #release: () => void = () => {};
  #handedOut = false;
  /** The consumer keeps what it got to itself, and drops it here. */
  #dropKept: (() => void) | undefined;
  /** What the consumer was told of the columns; a later attempt has to have the same. */
  #promised: readonly Column[] | undefined;

  constructor(options: ReadingOptions<T>) {
    const { maxBytes = Infinity, silenceMs = defaultSilenceMs } = options.request;
    this.#options = options;
    this.#limits = { maxBytes, silenceMs };
  }

  /** For a consumer that shows nothing before the end: what it has got so far may be dropped and asked for anew. */
  keepBack(drop: () => void, maxBytes = Infinity): void {
    assert(maxBytes >= 0, `a byte budget of ${maxBytes}`);
    this.#dropKept = drop;
    this.#limits.maxBytes = Math.min(this.#limits.maxBytes, maxBytes);
  }

  /** It has ended badly; the next pull says why. */
  get hasFailed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** What the rows look like. */
  async head(): Promise<AnswerHead> {
    return await this.#turns.take(async () => {
      const head = await this.#pull(async (attempt) => await attempt.open());
      this.#promised = head.columns;
      return head;
    });
  }

  /** Undefined: the answer has ended well. */
  async next(): Promise<T | undefined> {
    return await this.#turns.take(async () => {
      if (this.#state === "ended well") return undefined;
      const batch = await this.#pull(async (attempt) => await attempt.next());
      if (batch === undefined) this.#end();
      else this.#handedOut = true;
      return batch;
    });
  }

  /** Ends it badly, the pull in progress included, with a reason that is passed on as it is. Harmless after the end. */
  abort(reason: unknown): void {
    if (this.#state === "ended well" || this.#stop.signal.aborted) return;
    this.#release();
    this.#attempt?.cancel();
    this.#stop.abort(reason);
  }

  fail(fault: Fault): void {
    this.abort(labelled(fault, this.#options.request.requestId, this.#attempts));
  }

  close(): void {
    this.fail(closed());
  }

  async #pull<R>(step: (attempt: Attempt<T>) => Promise<R>): Promise<R> {
    const { signal } = this.#stop;
    if (this.#state === "new" && !signal.aborted) this.#begin();
    for (;;) {
      signal.throwIfAborted();
      try {
        const attempt = (this.#attempt ??= this.#ask());
        this.#holdToPromise(await attempt.open());
        return await step(attempt);
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  #begin(): void {
    const { request, deps } = this.#options;
    const { signal, timeoutMs } = request;
    this.#state = "begun";
    this.#deadlineMs = performance.now() + timeoutMs;
    const forgetDeadline = afterDelay(timeoutMs + deadlineGraceMs, () => this.fail(this.#timedOut()));
    const stopListening = signal && once(signal, () => this.abort(signal.reason));
    deps.underWay.add(this);
    this.#release = () => {
      forgetDeadline();
      stopListening?.();
      deps.underWay.delete(this);
    };
    if (signal?.aborted) this.abort(signal.reason);
  }

  #ask(): Attempt<T> {
    const { request, deps, shape } = this.#options;
    const { requestId, database, metadata } = request;
    const channel = deps.channel();
    if (channel === undefined) throw closed();
    this.#attempts += 1;
    const call = request.open(channel, {
      requestId,
      database,
      deadlineMs: this.#deadlineMs,
      ...(metadata && { metadata }),
    });
    return new Attempt({ call, limits: this.#limits, shape, signal: this.#stop.signal });
  }

  #holdToPromise({ columns }: AnswerHead): void {
    if (columns === this.#promised || this.#promised === undefined) return;
    if (!isDeepStrictEqual(this.#promised, columns)) throw schemaChanged();
  }

  /** Resolves when the next attempt may begin; rejects with what the consumer is to see. */
  async #recover(error: unknown): Promise<void> {
    const { signal } = this.#stop;
    if (error instanceof Fault && this.#isOfDeadline(error)) this.fail(this.#timedOut(error));
    const delayMs = error instanceof Fault && !signal.aborted ? this.#retryDelayMs(error) : undefined;
    if (delayMs === undefined) {
      if (error instanceof Fault) this.fail(error);
      else this.abort(error);
    } else {
      this.#attempt?.cancel();
      this.#attempt = undefined;
      this.#lastFault = error as Fault;
      await sleep(delayMs, signal);
    }
    signal.throwIfAborted();
    this.#restart();
  }

  /** What was handed out so far is void. */
  #restart(): void {
    if (!this.#handedOut) return;
    this.#handedOut = false;
    try {
      (this.#dropKept ?? this.#options.request.onRestart)?.();
    } catch (error) {
      this.abort(error);
      throw error;
    }
  }

  #retryDelayMs(fault: Fault): number | undefined {
    const { request, deps } = this.#options;
    return retryDelayMs({
      fault,
      policy: request.retry ?? "before_rows",
      sawRows: this.#handedOut && this.#dropKept === undefined,
      attempts: this.#attempts,
      remainingMs: this.#deadlineMs - performance.now(),
      random: deps.random,
    });
  }

  #isOfDeadline(fault: Fault): boolean {
    return fault.code === "flight_timeout" && performance.now() >= this.#deadlineMs - deadlineSlackMs;
  }

  /** `seen` by the call, which knows more than we do as long as nothing has come. */
  #timedOut(seen?: Fault): Fault {
    const rows = this.#attempt?.rows;
    if (seen !== undefined && rows === undefined && this.#attempts === 1) return seen;
    return timedOut(this.#options.request.timeoutMs, rows, seen ?? this.#lastFault);
  }

  #end(): void {
    const { onEnd } = this.#options;
    this.#state = "ended well";
    this.#release();
    const end = this.#attempt?.end(this.#attempts);
    if (end !== undefined) onEnd(end);
  }
}
