import { Fault } from "../../lib/fault.ts";
import type { FlightQuery, QueryParam } from "./api.ts";

/**
 * The ticket of DoGet as InfluxDB 3 reads it: `{"database", "sql_query", "query_type", "params"}`, where `sql_query`
 * holds InfluxQL too (influxdata/influxdb, core/service_grpc_flight/src/request.rs).
 *
 * The server takes a JSON number for a UInt64, an Int64 or a Float64, whichever fits first, so numbers are
 * written by hand: a `number` always with a point or an exponent, a `bigint` always without.
 */

export type TicketQuery = Pick<FlightQuery, "text" | "language" | "params"> & { readonly database: string };

/** Ours: a name stands in every fault about its value. */
const maxNameChars = 64;

/** tonic's limit for a request is 4 MiB; the rest is for the envelope. */
const maxTicketBytes = 4 * 1024 * 1024 - 1024;

/** Throws the fault `flight_bad_parameter`. */
export function encodeTicket({ text, language = "sql", params, database }: TicketQuery): Uint8Array {
  const fields = [
    `"database":${jsonText(database, "the name of the database")}`,
    `"sql_query":${jsonText(text, "the query")}`,
    `"query_type":"${language}"`,
  ];
  const pairs = Object.entries(params ?? {}).map(([name, value]) => pair(name, value));
  if (pairs.length > 0) fields.push(`"params":{${pairs.join(",")}}`);
  const ticket = Buffer.from(`{${fields.join(",")}}`);
  if (ticket.length > maxTicketBytes) {
    throw badParameter(
      `the query and its parameters are ${ticket.length} bytes long, and InfluxDB takes ${maxTicketBytes}`,
      "write a shorter query; long lists belong into a table that is joined",
    );
  }
  return ticket;
}

function pair(name: string, value: QueryParam): string {
  const shown = name.slice(0, maxNameChars).toWellFormed();
  if (name.length > maxNameChars) {
    throw badParameter(
      `the name of a query parameter, ${JSON.stringify(`${shown}…`)}, is ${name.length} characters long`,
      `use ${maxNameChars} characters at most`,
    );
  }
  if (!/^[A-Za-z0-9_]+$/.test(name)) {
    throw badParameter(
      `a query parameter cannot be named ${JSON.stringify(shown)}`,
      "use letters, digits and _, and no $: the parameter of $from is named from",
    );
  }
  return `"${name}":${jsonValue(name, value)}`;
}

function jsonValue(name: string, value: QueryParam): string {
  switch (typeof value) {
    case "string":
      return jsonText(value, `the query parameter ${name}`);
    case "boolean":
      return String(value);
    case "number":
      return jsonFloat(name, value);
    case "bigint":
      return jsonInteger(name, value);
    default:
      if (value === null) return "null";
      // Callers without types come here.
      throw badParameter(
        `the query parameter ${name} is of type ${typeof value}`,
        "InfluxDB binds null, booleans, numbers and text; give a time as text and write CAST($name AS TIMESTAMP)",
      );
  }
}

function jsonFloat(name: string, value: number): string {
  if (!Number.isFinite(value)) {
    throw badParameter(`the query parameter ${name} is ${value}`, "give a finite number, or null");
  }
  if (Object.is(value, -0)) return "-0.0";
  const digits = String(value);
  return /^-?\d+$/.test(digits) ? `${digits}.0` : digits;
}

function jsonInteger(name: string, value: bigint): string {
  if (value < -(2n ** 63n) || value >= 2n ** 64n) {
    throw badParameter(
      `the query parameter ${name} is an integer of more than 64 bits`,
      "give it as text, or as a number that is not exact",
    );
  }
  return String(value);
}

/** Half a surrogate pair would make the whole ticket unreadable to the server, which does not say why. */
function jsonText(text: string, what: string): string {
  if (!text.isWellFormed()) {
    throw badParameter(
      `${what} contains half a character (a lone surrogate)`,
      "see where it was cut: a text must not end in the middle of a character",
    );
  }
  return JSON.stringify(text);
}

function badParameter(message: string, hint: string): Fault {
  return new Fault({ code: "flight_bad_parameter", layer: "flight", disposition: "drop", message, hint });
}
