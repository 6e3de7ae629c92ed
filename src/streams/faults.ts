/** The faults of this room. Those of the process exist twice: as the end of the part, and of each request in it. */
import { Fault } from "../lib/fault.ts";
import { formatBytes } from "../lib/units.ts";
import { maxFrameBytes } from "./frames.ts";

/** How a streams process ended that was not to end. */
export interface ProcessFailure {
  readonly code: "streams_died" | "streams_stuck" | "streams_memory";
  /** After "the streams process". */
  readonly what: string;
  readonly hint: string;
}

export function diedFailure(what: string): ProcessFailure {
  return {
    code: "streams_died",
    what,
    hint: "it is started again; when it goes on, report it with the log",
  };
}

export function stuckFailure(what: string): ProcessFailure {
  return { ...diedFailure(`${what} and was killed`), code: "streams_stuck" };
}

export function partFault({ code, what, hint }: ProcessFailure): Fault {
  const message = `the streams process ${what}`;
  return new Fault({ code, layer: "flight", disposition: "restart", message, hint });
}

export function cutOffFault({ code, what }: ProcessFailure): Fault {
  return new Fault({
    code,
    layer: "flight",
    disposition: "retry",
    message: `the query was cut off: the streams process ${what}`,
    hint: "ask again: the process is started anew; a query that ends it again and again is refused for a while",
  });
}

export function unavailableFault(why: string): Fault {
  return new Fault({
    code: "streams_unavailable",
    layer: "flight",
    disposition: "retry",
    message: `there is no streams process to ask: ${why}`,
    hint: "see `flightline status` for what ended it, and ask again later",
  });
}

export function busyFault(underWay: number, waiting: number): Fault {
  return new Fault({
    code: "streams_busy",
    layer: "flight",
    disposition: "retry",
    message: `too many queries at once: ${underWay} are under way and ${waiting} wait`,
    hint: "ask less often, or make the queries that are under way shorter",
  });
}

/** Its time was over while it waited. Beside a free place that is for one during which the process died. */
export function notBegunFault(
  timeoutMs: number,
  now: { isServing: boolean; underWay: number; waiting: number; maxUnderWay: number },
): Fault {
  if (!now.isServing) return unavailableFault(`it did not start within the ${timeoutMs} ms of the query`);
  if (now.underWay >= now.maxUnderWay) return busyFault(now.underWay, now.waiting);
  return new Fault({
    code: "streams_busy",
    layer: "flight",
    disposition: "retry",
    message: `the query did not begin within its ${timeoutMs} ms: one during which the streams process died runs beside nothing else`,
    hint: "ask again: it runs beside others again when it was answered, or after some minutes",
  });
}

/** The process has sent all that it may, and waits. */
export function notReadFault(timeoutMs: number): Fault {
  return new Fault({
    code: "streams_not_read",
    layer: "flight",
    disposition: "drop",
    message: `the answer was not read within the ${timeoutMs} ms of its query`,
    hint: "read it sooner, ask for less, or give the query more time",
  });
}

export function noAnswerFault(timeoutMs: number): Fault {
  return new Fault({
    code: "streams_no_answer",
    layer: "flight",
    disposition: "retry",
    message: `the streams process did not end the query within its ${timeoutMs} ms`,
    hint: "ask again; when it goes on, report it with the log",
  });
}

export function parkedRequestFault(forMs: number): Fault {
  return new Fault({
    code: "streams_request_parked",
    layer: "flight",
    disposition: "retry",
    message: `this query is refused for another ${Math.ceil(forMs / 1000)} s: the streams process died of it twice`,
    hint: "make it smaller (a shorter time range, fewer columns), or report it with the log",
  });
}

export function answerTooBigFault(what: string): Fault {
  return new Fault({
    code: "streams_answer_too_big",
    layer: "flight",
    disposition: "drop",
    message: `the answer has more than ${what}`,
    hint: "ask for less: a LIMIT, a shorter time range, or an aggregate",
  });
}

export function messageTooBigFault(what: string): Fault {
  return new Fault({
    code: "streams_message_too_big",
    layer: "flight",
    disposition: "drop",
    message: `${what} does not fit into a message of ${formatBytes(maxFrameBytes)} between the daemon and its streams process`,
    hint: "select fewer or shorter columns",
  });
}

export function noConnectionFault(name: string): Fault {
  return new Fault({
    code: "streams_unavailable",
    layer: "flight",
    disposition: "retry",
    message: `the configuration has no connection "${name}" any more`,
    hint: "ask again: whoever asks is told of the new configuration",
  });
}

export function changedConnectionFault(name: string): Fault {
  return new Fault({
    code: "streams_unavailable",
    layer: "flight",
    disposition: "retry",
    message: `the connection "${name}" was configured anew while the query waited`,
    hint: "ask again: it goes to what the connection is now",
  });
}

export function unreadableQueryFault(): Fault {
  return new Fault({
    code: "streams_request_failed",
    layer: "flight",
    disposition: "drop",
    message: "the streams process could not read the query",
    hint: "report it with the log",
  });
}

export function protocolFault(): Fault {
  return new Fault({
    code: "streams_request_failed",
    layer: "flight",
    disposition: "drop",
    message: "the streams process sent rows that it had no credit for",
    hint: "report it with the log",
  });
}
