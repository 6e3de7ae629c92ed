/**
 * The requests of the daemon: those that wait, and those that are under way in the process that is there now.
 *
 * Invariants: `maxUnderWay` and `maxWaiting` hold; every request ends once, by its end, a fault or a
 * cancellation, and its timer with it; ids are never used twice, so that what a process says late meets
 * nobody; a suspect is under way beside nothing (suspects.ts). They begin in their order, also where one must
 * wait until it can be alone: else it would wait for ever. Requests outlive processes only while they wait.
 */
import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Row } from "../influx/arrow/rows.ts";
import type { Answer } from "./answer.ts";
import {
  busyFault,
  changedConnectionFault,
  cutOffFault,
  messageTooBigFault,
  noAnswerFault,
  noConnectionFault,
  notBegunFault,
  notReadFault,
  parkedRequestFault,
  type ProcessFailure,
  protocolFault,
  unavailableFault,
} from "./faults.ts";
import type { Credit, FromProcess, ToProcess } from "./messages.ts";
import { faultOfPlain } from "./plain-fault.ts";
import type { StreamsStatus } from "./port.ts";
import { Request } from "./request.ts";
import type { StreamsSettings } from "./settings.ts";
import { Suspects } from "./suspects.ts";
import type { FaultSummary } from "../supervision/child.ts";

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

const mainConnection = "main";
const stopping = "flightline is stopping";

export class Requests {
  readonly #deps: RequestsDeps;
  readonly #suspects: Suspects;
  readonly #requests = new Map<number, Request>();
  readonly #byAnswer = new WeakMap<Answer, Request>();
  #send: Send | undefined;
  /** The process has said that it dies of this one. */
  #culprit: Request | undefined;
  #nextId = 1;
  #answered = 0;
  #faulted = 0;
  #lastFault: FaultSummary | undefined;
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
    "underWay" | "waiting" | "answered" | "faulted" | "lastQueryFault" | "unknownMessages" | "parkedRequests"
  > {
    const { underWay } = this;
    return {
      underWay,
      waiting: this.count - underWay,
      answered: this.#answered,
      faulted: this.#faulted,
      lastQueryFault: this.#lastFault,
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
    const deadlineMs = clock.uptimeMs() + timeoutMs;
    const { window } = settings;
    const request = new Request({ id, answer, connection, timeoutMs, deadlineMs, window });
    this.#requests.set(id, request);
    this.#byAnswer.set(answer, request);
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
    const request = this.#byAnswer.get(answer);
    if (request === undefined) return;
    this.#forget(request);
    if (request.isUnderWay) this.#send?.({ kind: "cancel", id: request.id });
    this.#startNext();
  }

  read(answer: Answer, credit: Credit): void {
    const request = this.#byAnswer.get(answer);
    if (request === undefined) return;
    request.extend(credit);
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
    for (const request of this.#waiting()) this.#fail(request, unavailableFault(why));
  }

  /** What waits for a connection that is gone, or is another one now, is not asked: it may be another database. */
  reconfigured(isChanged: (connection: string) => boolean): void {
    for (const request of this.#waiting()) {
      const { connection } = request;
      if (!isChanged(connection)) continue;
      const isGone = this.#deps.timeoutMs(connection) === undefined;
      this.#fail(request, isGone ? noConnectionFault(connection) : changedConnectionFault(connection));
    }
    this.#startNext();
  }

  /** The process is gone, or will be: nothing comes from it any more. */
  detach(failure: ProcessFailure | undefined): void {
    this.#send = undefined;
    const underWay = this.#all(({ isUnderWay }) => isUnderWay);
    if (failure !== undefined) this.#blame(failure, underWay);
    for (const request of underWay) {
      this.#fail(request, failure === undefined ? unavailableFault(stopping) : cutOffFault(failure));
    }
  }

  /** `bytes`: of its frame. */
  received(message: Exclude<FromProcess, { readonly kind: "ready" | "pong" }>, bytes: number): void {
    const request = this.#requests.get(message.id);
    if (request?.isUnderWay !== true) {
      // After a cancellation what was on its way still arrives.
      this.#unknown += 1;
      return;
    }
    if (message.kind === "columns") request.answer.receivedColumns(message.columns);
    else if (message.kind === "rows") this.#receivedRows(request, message.rows, bytes);
    else if (message.kind === "fault") this.#receivedFault(request, message);
    else {
      this.#answered += 1;
      this.#suspects.clear(request.key);
      this.#forget(request);
      request.answer.receivedEnd(message.end);
    }
    if (!this.#requests.has(message.id)) this.#startNext();
  }

  #receivedRows(request: Request, rows: readonly Row[], bytes: number): void {
    if (request.take(rows.length, bytes)) {
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
      this.#culprit = request;
    } else this.#suspects.clear(request.key);
    const { requestId } = request.answer;
    if (stack !== undefined) log.fault(fault, { request: requestId, stack: redact(stack) });
    this.#fail(request, fault);
  }

  #startNext(): void {
    const send = this.#send;
    if (send === undefined) return;
    const { settings } = this.#deps;
    for (const request of this.#waiting()) {
      const running = this.#all(({ isUnderWay }) => isUnderWay);
      if (running.length >= settings.maxUnderWay || running.some((one) => this.#isSuspect(one))) return;
      // Its text may have been parked while it waited.
      const refusal = this.#parkedFault(request);
      if (refusal !== undefined) this.#fail(request, refusal);
      else if (this.#isSuspect(request) && running.length > 0) return;
      else this.#ask(request, send);
    }
  }

  #parkedFault(request: Request): Fault | undefined {
    const forMs = this.#suspects.parkedForMs(request.key, this.#deps.clock.uptimeMs());
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
    request.arm(delayMs, () => {
      this.#late(request);
    });
  }

  #late(request: Request): void {
    if (request.isUnderWay) {
      this.#send?.({ kind: "cancel", id: request.id });
      this.#fail(request, (request.isUnread ? notReadFault : noAnswerFault)(request.timeoutMs));
    } else {
      const { underWay, count } = this;
      const { maxUnderWay } = this.#deps.settings;
      const isServing = this.#send !== undefined;
      const counts = { underWay, waiting: count - underWay, maxUnderWay, isServing };
      this.#fail(request, notBegunFault(request.timeoutMs, counts));
    }
    this.#startNext();
  }

  #fail(request: Request, fault: Fault): void {
    const { code, layer, message, hint } = fault;
    this.#faulted += 1;
    this.#lastFault = { code, layer, message, hint };
    this.#forget(request);
    request.answer.fail(fault);
  }

  #forget(request: Request): void {
    request.disarm();
    this.#requests.delete(request.id);
    this.#byAnswer.delete(request.answer);
    this.#deps.changed();
  }

  #isSuspect(request: Request): boolean {
    return this.#suspects.isSuspect(request.key, this.#deps.clock.uptimeMs());
  }

  /** Whoever reads the log can tell which query it was, and ask it again. */
  #blame({ code }: ProcessFailure, underWay: readonly Request[]): void {
    const { log, redact, clock } = this.#deps;
    const culprit = this.#culprit;
    for (const request of culprit === undefined ? underWay : [culprit, ...underWay]) {
      const { label: query } = request.named(redact);
      const details = { code, request: request.answer.requestId, query, named_by_it: request === culprit };
      log.warn("the streams process ended while this query was under way", details);
    }
    const named = underWay.map((request) => request.named(redact));
    this.#suspects.died(named, culprit?.named(redact), clock.uptimeMs());
  }

  #waiting(): Request[] {
    return this.#all(({ isUnderWay }) => !isUnderWay);
  }

  #all(wanted: (request: Request) => boolean): Request[] {
    return [...this.#requests.values()].filter(wanted);
  }
}
