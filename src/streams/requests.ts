/**
 * The requests of the daemon: those that wait, and those that are under way in the process that is there now.
 *
 * Invariants: `maxUnderWay` and `maxWaiting` hold; every request ends once, by its end, a fault or a
 * cancellation, and its timer with it; ids are never used twice, so that what a process says late meets
 * nobody; at most one suspect is under way (suspects.ts). Requests outlive processes only while they wait.
 */
import { timerMs } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Answer } from "./answer.ts";
import {
  busyFault,
  cutOffFault,
  messageTooBigFault,
  noAnswerFault,
  noConnectionFault,
  parkedRequestFault,
  type ProcessFailure,
  protocolFault,
  unavailableFault,
} from "./faults.ts";
import type { Credit, FromProcess, ToProcess } from "./messages.ts";
import { faultOfPlain } from "./plain-fault.ts";
import type { StreamsStatus } from "./port.ts";
import type { StreamsSettings } from "./settings.ts";
import { Suspects } from "./suspects.ts";

/** False: it does not fit into a message. */
export type Send = (message: ToProcess) => boolean;

export interface RequestsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: StreamsSettings;
  /** For queries without a timeout of their own. Undefined: there is no such connection. */
  readonly timeoutMs: (connection: string) => number | undefined;
  /** Why nothing can be asked now; undefined: it can, or will be soon. */
  readonly closedBecause: () => string | undefined;
  readonly redact: (text: string) => string;
  /** There is one request more, or one less. */
  readonly changed: () => void;
}

interface Request {
  readonly id: number;
  readonly answer: Answer;
  readonly connection: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  timer: NodeJS.Timeout | undefined;
  /** Rows that the process may still send. */
  rowsLeft: number;
  isUnderWay: boolean;
}

const mainConnection = "main";
const stopping = "flightline is stopping";

export class Requests {
  readonly #deps: RequestsDeps;
  readonly #suspects: Suspects;
  readonly #requests = new Map<number, Request>();
  readonly #ids = new WeakMap<Answer, number>();
  #send: Send | undefined;
  /** The process has said that it dies of this one. */
  #culprit: string | undefined;
  #nextId = 1;
  #answered = 0;
  #faulted = 0;
  #unknown = 0;

  constructor(deps: RequestsDeps) {
    this.#deps = deps;
    this.#suspects = new Suspects(deps.settings.suspicion);
  }

  get count(): number {
    return this.#requests.size;
  }

  get underWay(): number {
    return this.#all((request) => request.isUnderWay).length;
  }

  get status(): Pick<
    StreamsStatus,
    "underWay" | "waiting" | "answered" | "faulted" | "unknownMessages" | "parkedRequests"
  > {
    const { underWay } = this;
    return {
      underWay,
      waiting: this.count - underWay,
      answered: this.#answered,
      faulted: this.#faulted,
      unknownMessages: this.#unknown,
      parkedRequests: this.#suspects.parked(this.#deps.clock.uptimeMs()),
    };
  }

  begin(answer: Answer): void {
    const { clock, settings, closedBecause, timeoutMs: defaultMs } = this.#deps;
    const { connection = mainConnection } = answer.query;
    const usualMs = defaultMs(connection);
    const timeoutMs = answer.query.timeoutMs ?? usualMs ?? 0;
    const id = this.#nextId++;
    const request: Request = {
      id,
      answer,
      connection,
      timeoutMs,
      deadlineMs: clock.uptimeMs() + timeoutMs,
      timer: undefined,
      rowsLeft: settings.window.rows,
      isUnderWay: false,
    };
    this.#requests.set(id, request);
    this.#ids.set(answer, id);
    const why = closedBecause();
    const gone = usualMs === undefined ? noConnectionFault(connection) : undefined;
    const refusal = why === undefined ? (gone ?? this.#parkedFault(request)) : unavailableFault(why);
    if (refusal !== undefined) {
      this.#fail(request, refusal);
      return;
    }
    this.#arm(request, timeoutMs);
    this.#startNext();
    const { underWay, count } = this;
    if (count - underWay > settings.maxWaiting) this.#fail(request, busyFault(underWay, settings.maxWaiting));
    else this.#deps.changed();
  }

  cancel(answer: Answer): void {
    const request = this.#of(answer);
    if (request === undefined) return;
    this.#forget(request);
    if (request.isUnderWay) this.#send?.({ kind: "cancel", id: request.id });
    this.#startNext();
  }

  read(answer: Answer, credit: Credit): void {
    const request = this.#of(answer);
    if (request === undefined) return;
    request.rowsLeft += credit.rows;
    this.#send?.({ kind: "credit", id: request.id, credit });
  }

  /** A process is ready for queries. */
  attach(send: Send): void {
    this.#send = send;
    this.#culprit = undefined;
    this.#startNext();
  }

  /** Nothing is sent any more; what is under way goes on. */
  close(why: string): void {
    for (const request of this.#all(({ isUnderWay }) => !isUnderWay)) {
      this.#fail(request, unavailableFault(why));
    }
  }

  /** The process is gone, or will be: nothing comes from it any more. */
  detach(failure: ProcessFailure | undefined): void {
    this.#send = undefined;
    const underWay = this.#all(({ isUnderWay }) => isUnderWay);
    if (failure !== undefined) {
      const nowMs = this.#deps.clock.uptimeMs();
      const texts = this.#culprit === undefined ? underWay.map(textOf) : [this.#culprit];
      for (const text of new Set(texts)) this.#suspects.died(text, nowMs);
    }
    for (const request of underWay) {
      this.#fail(request, failure === undefined ? unavailableFault(stopping) : cutOffFault(failure));
    }
  }

  received(message: Exclude<FromProcess, { readonly kind: "ready" | "pong" }>): void {
    const request = this.#requests.get(message.id);
    if (request?.isUnderWay !== true) {
      // After a cancellation what was on its way still arrives.
      this.#unknown += 1;
      return;
    }
    if (message.kind === "columns") request.answer.receivedColumns(message.columns);
    else if (message.kind === "rows") this.#receivedRows(request, message);
    else if (message.kind === "fault") this.#receivedFault(request, message);
    else {
      this.#answered += 1;
      this.#suspects.answered(textOf(request));
      this.#forget(request);
      request.answer.receivedEnd(message.end);
    }
    if (!this.#requests.has(message.id)) this.#startNext();
  }

  #receivedRows(request: Request, { rows, bytes }: Extract<FromProcess, { readonly kind: "rows" }>): void {
    request.rowsLeft -= rows.length;
    if (request.rowsLeft >= 0) {
      request.answer.receivedRows(rows, bytes);
      return;
    }
    this.#send?.({ kind: "cancel", id: request.id });
    this.#fail(request, protocolFault());
  }

  #receivedFault(request: Request, message: Extract<FromProcess, { readonly kind: "fault" }>): void {
    const { log, redact } = this.#deps;
    const { stack } = message.fault;
    const fault = faultOfPlain(message.fault, redact);
    if (message.isFatal) {
      // What it is sent now would die with it.
      this.#send = undefined;
      this.#culprit = textOf(request);
    }
    const { requestId } = request.answer;
    if (stack !== undefined) log.fault(fault, { request: requestId, stack: redact(stack) });
    this.#fail(request, fault);
  }

  #startNext(): void {
    const send = this.#send;
    if (send === undefined) return;
    const { settings } = this.#deps;
    for (const request of this.#all(({ isUnderWay }) => !isUnderWay)) {
      const running = this.#all(({ isUnderWay }) => isUnderWay);
      if (running.length >= settings.maxUnderWay) return;
      // Its text may have been parked while it waited.
      const refusal = this.#parkedFault(request);
      if (refusal !== undefined) this.#fail(request, refusal);
      else if (!this.#isSuspect(request) || !running.some((other) => this.#isSuspect(other))) {
        this.#ask(request, send);
      }
    }
  }

  #parkedFault(request: Request): Fault | undefined {
    const forMs = this.#suspects.parkedForMs(textOf(request), this.#deps.clock.uptimeMs());
    return forMs > 0 ? parkedRequestFault(forMs) : undefined;
  }

  #ask(request: Request, send: Send): void {
    const { settings, clock } = this.#deps;
    const { answer, connection, id, deadlineMs } = request;
    const timeoutMs = Math.max(1, Math.ceil(deadlineMs - clock.uptimeMs()));
    const query = { ...answer.query, connection, requestId: answer.requestId, timeoutMs };
    request.isUnderWay = true;
    this.#arm(request, timeoutMs + settings.graceMs);
    if (!send({ kind: "query", id, query, credit: settings.window })) {
      this.#fail(request, messageTooBigFault("the query"));
    }
  }

  #arm(request: Request, delayMs: number): void {
    clearTimeout(request.timer);
    request.timer = setTimeout(() => {
      this.#late(request);
    }, timerMs(delayMs));
  }

  #late(request: Request): void {
    if (request.isUnderWay) {
      this.#send?.({ kind: "cancel", id: request.id });
      this.#fail(request, noAnswerFault(request.timeoutMs));
    } else {
      const { underWay } = this;
      const isServing = this.#send !== undefined;
      const why = `it did not start within the ${request.timeoutMs} ms of the query`;
      this.#fail(request, isServing ? busyFault(underWay, this.count - underWay) : unavailableFault(why));
    }
    this.#startNext();
  }

  #fail(request: Request, fault: Fault): void {
    this.#faulted += 1;
    this.#forget(request);
    request.answer.fail(fault);
  }

  #forget(request: Request): void {
    clearTimeout(request.timer);
    this.#requests.delete(request.id);
    this.#deps.changed();
  }

  #of(answer: Answer): Request | undefined {
    const id = this.#ids.get(answer);
    return id === undefined ? undefined : this.#requests.get(id);
  }

  #isSuspect(request: Request): boolean {
    return this.#suspects.isSuspect(textOf(request));
  }

  #all(wanted: (request: Request) => boolean): Request[] {
    return [...this.#requests.values()].filter(wanted);
  }
}

function textOf({ answer }: Request): string {
  return answer.query.text;
}
