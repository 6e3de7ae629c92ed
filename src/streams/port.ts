/**
 * The daemon's side of the streams process, as the rooms above see it: queries whose answers come from a
 * process that may die, and none of whose failures is more than a `Fault`.
 *
 * An answer is read once. Nothing is asked before the first pull; leaving the loop and an abort end the
 * query in the process and on the server; who reads slowly holds the server back.
 */
import type { Column, FlightEnd } from "../influx/flight/api.ts";
import type { Row } from "../influx/arrow/rows.ts";
import type { Fault } from "../lib/fault.ts";
import type { FaultSummary } from "../supervision/child.ts";
import type { PlainQuery, Vitals } from "./messages.ts";

/**
 * As a `FlightQuery`. Where they are left out, `connection` is "main", `requestId` a random UUID, and `timeoutMs`
 * the connection's.
 */
export type StreamQuery = Omit<PlainQuery, "connection" | "requestId" | "timeoutMs"> &
  Partial<Pick<PlainQuery, "connection" | "requestId" | "timeoutMs">>;

export interface StreamsPort {
  query(request: StreamQuery, signal?: AbortSignal): StreamAnswer;
  /** Asks again and again, while the part runs, until it is closed. */
  subscribe(request: Omit<StreamQuery, "requestId">, options: SubscribeOptions): Subscription;
  status(): StreamsStatus;
}

/** The rows as they come, some hundreds at a time; never an empty array. Faults reject the pull. */
export interface StreamAnswer extends AsyncIterable<readonly Row[]> {
  readonly requestId: string;
  /** Resolves when the schema is there. */
  columns(): Promise<readonly Column[]>;
  /** All rows. More than the bounds is the fault `streams_answer_too_big`. */
  collect(bounds?: AnswerBounds): Promise<readonly Row[]>;
  /** Resolves when the answer was read to its end; stays pending when it was not. Never rejects. */
  readonly ended: Promise<FlightEnd>;
}

export interface AnswerBounds {
  /** Default 10 000. */
  readonly maxRows?: number;
  /** Of the messages that bring the rows, which in memory take some times as much. Default 8 MiB. */
  readonly maxBytes?: number;
}

export interface WholeAnswer {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly end: FlightEnd;
}

export interface SubscribeOptions extends AnswerBounds {
  /** In the status and in log lines. */
  readonly name: string;
  /** Between the beginnings of two runs; the first one comes at a random moment within it. Runs never overlap. */
  readonly everyMs: number;
  /** What these two throw counts as a fault of this subscription. */
  onAnswer(answer: WholeAnswer): void;
  onFault(fault: Fault): void;
}

export interface Subscription {
  /** Ends a run that is under way; no call comes afterwards. */
  close(): void;
}

/** Times are monotonic ms, as `Clock.uptimeMs` gives them. */
export interface StreamsStatus {
  /** idle: nothing is asked, or the part does not run; there is no process. */
  readonly state: "idle" | "starting" | "running";
  readonly pid: number | undefined;
  /** Since its last pong. */
  readonly vitals: Vitals | undefined;
  readonly starts: number;
  /** Ends that were failures. */
  readonly failures: number;
  readonly lastFault: FaultSummary | undefined;
  readonly underWay: number;
  readonly waiting: number;
  readonly answered: number;
  readonly faulted: number;
  /** Of the last query that failed. */
  readonly lastQueryFault: FaultSummary | undefined;
  /** Messages of the process that were dropped. */
  readonly unknownMessages: number;
  readonly brokenMessages: number;
  /** Queries that are refused because the process died of them; their texts cut, and without secrets. */
  readonly parkedRequests: readonly { readonly text: string; readonly untilMs: number }[];
  readonly subscriptions: readonly SubscriptionStatus[];
}

export interface SubscriptionStatus {
  readonly name: string;
  readonly everyMs: number;
  /** parked: it failed again and again, and is asked next after a cool-down. */
  readonly state: "waiting" | "asking" | "parked";
  readonly nextMs: number;
  readonly answers: number;
  readonly faults: number;
  /** Undefined again after an answer. */
  readonly lastFault: FaultSummary | undefined;
}
