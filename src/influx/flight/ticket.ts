import type { FlightQuery, QueryParam } from "./api.ts";
import { checkFloat, checkInteger, checkName, checkRequest, checkText, foreignType } from "./params.ts";

/**
 * The ticket of DoGet as InfluxDB 3 reads it: `{"database", "sql_query", "query_type", "params"}`, where `sql_query`
 * holds InfluxQL too (influxdata/influxdb, core/service_grpc_flight/src/request.rs).
 *
 * The server takes a JSON number for a UInt64, an Int64 or a Float64, whichever fits first, so numbers are
 * written by hand: a `number` always with a point or an exponent, a `bigint` always without.
 */

export type TicketQuery = Pick<FlightQuery, "text" | "language" | "params"> & { readonly database: string };

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
  checkRequest(ticket.length);
  return ticket;
}

function pair(name: string, value: QueryParam): string {
  checkName(name);
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
      throw foreignType(name, value);
  }
}

function jsonFloat(name: string, value: number): string {
  checkFloat(name, value);
  if (Object.is(value, -0)) return "-0.0";
  const digits = String(value);
  return /^-?\d+$/.test(digits) ? `${digits}.0` : digits;
}

function jsonInteger(name: string, value: bigint): string {
  checkInteger(name, value);
  return String(value);
}

function jsonText(text: string, what: string): string {
  checkText(text, what);
  return JSON.stringify(text);
}
