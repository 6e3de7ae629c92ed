/** The faults of a read that come from our own side of it: limits, leaving, and messages that cannot be decoded. */
import { BugError, Fault, errorText, type FaultOptions } from "../../lib/fault.ts";
import { withoutControls } from "../../lib/one-line.ts";
import { badStream } from "../arrow/faults.ts";

/** `rows`: how many had come; undefined: not even the schema. */
export function timedOut(timeoutMs: number, rows: number | undefined, cause: unknown): Fault {
  const within = `within ${seconds(timeoutMs)}`;
  return flightFault("flight_timeout", "retry", {
    message:
      rows === undefined
        ? `InfluxDB gave no answer ${within}: that was still planning or connecting`
        : `the answer of InfluxDB did not end ${within}: that was after ${counted(rows)}`,
    hint:
      rows === undefined
        ? "see that InfluxDB answers other queries quickly, ask for a narrower time range, or raise the timeout"
        : "ask for a narrower time range, or raise the timeout; a reader that is slow itself counts too",
    cause,
  });
}

export function stalled(silenceMs: number, rows: number): Fault {
  return flightFault("flight_stalled", "retry", {
    message: `InfluxDB has sent nothing for ${seconds(silenceMs)}, not even a sign of life; that was after ${counted(rows)}`,
    hint: "see that InfluxDB runs and is not out of memory; a proxy in between that holds data back looks the same",
  });
}

export function tooBig(maxBytes: number, rows: number): Fault {
  return flightFault("flight_result_too_big", "drop", {
    message: `the answer is larger than the ${maxBytes} bytes allowed for it; that was after ${counted(rows)}`,
    hint: "add a LIMIT, ask for a narrower time range, or read it in pieces: chunks(), reader() and rows() need no more than one batch of memory",
  });
}

export function schemaChanged(): Fault {
  return flightFault("flight_schema_changed", "drop", {
    message: "the query was asked anew, and its answer has other columns than the first one",
    hint: "ask again; name the columns instead of SELECT * while a table is growing new ones",
  });
}

export function cancelled(): Fault {
  return flightFault("flight_cancelled", "drop", {
    message: "the query was cancelled by its own reader",
    hint: "nothing is wrong; ask anew for the rest",
  });
}

export function closed(): Fault {
  return flightFault("flight_closed", "drop", {
    message: "the query was given up because the connection to InfluxDB was closed on this side",
    hint: "nothing is wrong if Flightline was stopping; else ask anew",
  });
}

/** What a server says about an answer, or about a statement, is of no use. `what` is a sentence without a subject of its own. */
export function badAnswer(method: string, what: string, cause?: unknown): Fault {
  return flightFault("flight_bad_answer", "drop", {
    message: `the answer of InfluxDB to ${method} cannot be used: ${what}`,
    hint: "see that the server speaks Arrow Flight SQL and that no proxy alters gRPC messages; if so, it is a fault of the server",
    cause,
  });
}

export function otherLocation(location: string, ownHost: string): Fault {
  const shown = withoutControls(location).slice(0, 200).toWellFormed();
  return flightFault("flight_other_location", "drop", {
    message: `the answer lies at ${shown}, which is not ${ownHost}: the token is not sent to another server`,
    hint: "name that server itself in influxdb.flight_url, or let the server leave out the location of its endpoints",
  });
}

export function messageTooBig(method: string, bytes: number, maxBytes: number): Fault {
  return flightFault("flight_message_too_big", "drop", {
    message: `InfluxDB answered ${method} with ${bytes} bytes, and ${maxBytes} are read at most`,
    hint: "see that this is an InfluxDB; it answers with a handle, a ticket and a schema here",
  });
}

/** The same fault, with what a log line needs to find the query again, here and in InfluxDB. */
export function labelled(fault: Fault, requestId: string, attempts: number): Fault {
  const { code, layer, disposition, hint, cause } = fault;
  const count = attempts > 1 ? `, ${attempts} attempts` : "";
  const message = `${fault.message} (request ${requestId}${count})`;
  return new Fault({ code, layer, disposition, message, hint, cause });
}

/** What arrow-js throws at a message is the message's fault; our own bugs and faults stay what they are. */
export function decoding<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault || error instanceof BugError) throw error;
    throw badStream(withoutControls(errorText(error)).slice(0, 200).toWellFormed(), error);
  }
}

function flightFault(
  code: string,
  disposition: FaultOptions["disposition"],
  text: Pick<FaultOptions, "message" | "hint" | "cause">,
): Fault {
  return new Fault({ code, layer: "flight", disposition, ...text });
}

function counted(rows: number): string {
  return rows === 1 ? "1 row" : `${rows} rows`;
}

function seconds(durationMs: number): string {
  return `${Math.round(durationMs) / 1000} s`;
}
