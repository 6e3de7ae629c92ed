/**
 * What a DoGet ticket asks for. Three encodings are tried in InfluxDB's order: ReadInfo in a protobuf `Any`,
 * bare ReadInfo, JSON. When none fits, the client learns no more than that.
 */
import { create, fromBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";

import { ReadInfoSchema, ReadInfo_QueryType } from "../../../proto/iox/ticket_pb.js";
import type { QueryParam, ReadInfo } from "../../../proto/iox/ticket_pb.js";
import type { SqlParameters } from "../sql.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";
import { decodeCommand, packed } from "./sql-command.ts";
import type { FlightSqlCommand } from "./sql-command.ts";

interface TextQuery {
  readonly database: string;
  readonly language: "sql" | "influxql";
  readonly text: string;
  /** Integers as they are in 64 bits are bigint, any other number is a float. */
  readonly parameters: SqlParameters;
}

interface CommandQuery {
  readonly database: string;
  readonly language: "flightsql";
  readonly command: FlightSqlCommand;
}

export type TicketQuery = TextQuery | CommandQuery;

type ParameterValue = SqlParameters[string];

const readInfoType = `type.googleapis.com/${ReadInfoSchema.typeName}`;
const databaseNames = ["database", "namespace_name", "bucket", "bucket-name"];

/** Throws `GrpcStatus`. */
export function decodeTicket(ticket: Uint8Array): TicketQuery {
  for (const decode of [fromAny, fromReadInfo, fromJson]) {
    try {
      return decode(ticket);
    } catch (error) {
      if (error instanceof GrpcStatus) throw error;
      // Then it is one of the next kind.
    }
  }
  throw invalidTicket();
}

/** What GetFlightInfo gives for this command of Flight SQL, which was decoded before. */
export function commandTicket(database: string, flightsqlCommand: Uint8Array): Uint8Array {
  const queryType = ReadInfo_QueryType.FLIGHT_SQL_MESSAGE;
  return packed(ReadInfoSchema, create(ReadInfoSchema, { database, queryType, flightsqlCommand }));
}

export function influxQlTicket(database: string, sqlQuery: string): Uint8Array {
  const queryType = ReadInfo_QueryType.INFLUX_QL;
  return packed(ReadInfoSchema, create(ReadInfoSchema, { database, queryType, sqlQuery }));
}

function invalidTicket(): GrpcStatus {
  return new GrpcStatus(statusCode.invalidArgument, "Invalid ticket. Error: Invalid ticket");
}

class NotOfThisKind extends Error {}

function fromAny(ticket: Uint8Array): TicketQuery {
  const { typeUrl, value } = fromBinary(AnySchema, ticket);
  if (typeUrl !== readInfoType) throw new NotOfThisKind();
  try {
    return fromReadInfo(value);
  } catch {
    // As a bare ReadInfo it would be one of the database "type.googleapis.com/…".
    throw invalidTicket();
  }
}

function fromReadInfo(ticket: Uint8Array): TicketQuery {
  const { database, queryType, sqlQuery, flightsqlCommand, params } = fromBinary(ReadInfoSchema, ticket);
  if (queryType === ReadInfo_QueryType.FLIGHT_SQL_MESSAGE) {
    if (sqlQuery !== "") throw new NotOfThisKind();
    return { database, language: "flightsql", command: decodeCommand(flightsqlCommand) };
  }
  if (flightsqlCommand.length > 0) throw new NotOfThisKind();
  const parameters = Object.fromEntries(params.map((param) => [param.name, valueOf(param)]));
  return { database, language: languageOf(queryType), text: sqlQuery, parameters };
}

function languageOf(type: ReadInfo["queryType"]): TextQuery["language"] {
  switch (type) {
    case ReadInfo_QueryType.UNSPECIFIED:
    case ReadInfo_QueryType.SQL:
      return "sql";
    case ReadInfo_QueryType.INFLUX_QL:
      return "influxql";
    default:
      throw new NotOfThisKind();
  }
}

function valueOf({ value }: QueryParam): ParameterValue {
  if (value.case === undefined) throw new NotOfThisKind();
  return value.case === "null" ? null : value.value;
}

function fromJson(ticket: Uint8Array): TicketQuery {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(ticket);
  const given: unknown = (JSON.parse as ParseWithSource)(text, exactNumber);
  if (!isObject(given)) throw new NotOfThisKind();
  const databases = databaseNames.filter((name) => Object.hasOwn(given, name));
  const database = given[databases[0] ?? ""];
  const { sql_query: query, query_type: type = null, params = null, is_debug: debug = null } = given;
  if (databases.length !== 1 || typeof database !== "string" || typeof query !== "string") {
    throw new NotOfThisKind();
  }
  if (type !== null && type !== "sql" && type !== "influxql") throw new NotOfThisKind();
  if (debug !== null && typeof debug !== "boolean") throw new NotOfThisKind();
  return { database, language: type ?? "sql", text: query, parameters: parametersOf(params) };
}

function parametersOf(given: unknown): SqlParameters {
  if (given === null) return {};
  if (!isObject(given)) throw new NotOfThisKind();
  const parameters: Record<string, ParameterValue> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!isParameter(value)) throw new NotOfThisKind();
    parameters[name] = value;
  }
  return parameters;
}

function isParameter(value: unknown): value is ParameterValue {
  return value === null || ["boolean", "number", "bigint", "string"].includes(typeof value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The types that TypeScript has know nothing of the source text yet (ECMAScript 2026). */
type ParseWithSource = (
  text: string,
  reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown;

/** 5 is an integer and 5.0 is a float, which JavaScript's numbers do not tell apart; up to 64 bits. */
function exactNumber(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== "number" || source === undefined || !/^-?\d+$/.test(source) || source === "-0") {
    return value;
  }
  const integer = BigInt(source);
  const fits = BigInt.asUintN(64, integer) === integer || BigInt.asIntN(64, integer) === integer;
  return fits ? integer : value;
}
