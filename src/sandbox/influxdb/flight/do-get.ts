/** DoGet: a ticket in, a result out. And what it shares with the other methods: who may ask, and what is refused how. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

import { FlightDataSchema, TicketSchema } from "../../../proto/flight/flight_pb.js";
import { Refused } from "../answer.ts";
import { authorize } from "../auth.ts";
import type { AuthOptions } from "../auth.ts";
import type { Catalog, Database } from "../catalog.ts";
import type { FlightFault, FlightFaults } from "../faults.ts";
import { SqlRefusal } from "../sql.ts";
import type { SqlParameters } from "../sql.ts";
import type { SqlStream } from "../sql-stream.ts";
import { ActedOut, AnswerStream, actOut } from "./answer-stream.ts";
import { messagesOf } from "./encoder.ts";
import type { GrpcCall } from "./grpc-call.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";
import { InfluxQlRefusal } from "./influxql-tokens.ts";
import { translate } from "./influxql.ts";
import type { FlightSqlCommand, MetadataCommand } from "./sql-command.ts";
import { metadata as metadataOf } from "./sql-metadata.ts";
import type { BaseTableType } from "./sql-metadata.ts";
import { decodeTicket } from "./ticket.ts";
import type { TicketQuery } from "./ticket.ts";

/** Counted since the start, but for what runs now. */
export interface FlightCounters {
  /** DoGets with a good token. */
  queries: number;
  /** Record batches that were sent, keep-alives not counted. */
  batches: number;
  /** Given up by the client, or ended by their deadline, before their end. */
  cancelled: number;
  /** The engine works for them now. */
  live: number;
}

export interface QuerySource {
  readonly catalog: Pick<Catalog, "database">;
  /** Throws `SqlRefusal`. */
  stream(database: Database, sql: string, parameters: SqlParameters): Promise<SqlStream>;
}

export interface DoGetDeps {
  readonly store: QuerySource;
  readonly auth: AuthOptions | undefined;
  readonly faults: FlightFaults;
  readonly counters: FlightCounters;
  readonly keepAliveMs: number;
}

export interface Statement {
  readonly sql: string;
  readonly parameters: SqlParameters;
  readonly metadata?: ReadonlyMap<string, string>;
}

export async function doGet(deps: DoGetDeps, call: GrpcCall): Promise<Readonly<Record<string, string>>> {
  const { auth, counters, faults } = deps;
  authorizeCall(call, auth, faults);
  counters.queries += 1;
  try {
    const baseTableType = baseTableTypeOf(call.headers["x-influxdata-base-table-type"]);
    const query = decodeTicket(fromBinary(TicketSchema, await call.request()).ticket);
    await answer(deps, call, query, baseTableType);
    return faults.trailers;
  } catch (error) {
    if (call.signal.aborted && !(error instanceof ActedOut)) counters.cancelled += 1;
    throw error;
  }
}

async function answer(
  deps: DoGetDeps,
  call: GrpcCall,
  query: TicketQuery,
  baseTableType: BaseTableType,
): Promise<void> {
  const { faults } = deps;
  const fault = faults.take();
  if (fault !== undefined && fault.afterBatches === undefined) await actOut(call, fault, faults);
  const database = databaseNamed(deps, query.database);
  const asked = statementOf(query, database);
  if ("sql" in asked) {
    await answerStatement(deps, call, database, asked, fault);
    return;
  }
  // A few rows of ours. The faults that damage a stream are for those of the engine.
  for (const { header, body } of messagesOf(metadataOf(asked, database, baseTableType))) {
    const data = create(FlightDataSchema, { dataHeader: header, dataBody: body });
    await call.send(toBinary(FlightDataSchema, data));
  }
  deps.counters.batches += 1;
}

async function answerStatement(
  deps: DoGetDeps,
  call: GrpcCall,
  database: Database,
  { sql, parameters, metadata }: Statement,
  fault: FlightFault | undefined,
): Promise<void> {
  const { store, faults, counters, keepAliveMs } = deps;
  const stream = await store.stream(database, sql, parameters).catch((error: unknown) => {
    throw statusOf(error);
  });
  counters.live += 1;
  const onBatch = (): void => {
    counters.batches += 1;
  };
  const options = { faults, fault, keepAliveMs, onBatch, ...(metadata === undefined ? {} : { metadata }) };
  const answerStream = new AnswerStream(call, stream, options);
  try {
    await answerStream.send();
  } catch (error) {
    throw statusOf(error);
  } finally {
    await answerStream.close();
    counters.live -= 1;
  }
}

function statementOf(query: TicketQuery, database: Database): Statement | MetadataCommand {
  switch (query.language) {
    case "sql":
      return { sql: query.text, parameters: query.parameters };
    case "influxql":
      return { ...influxQl(query.text, database), parameters: query.parameters };
    default:
      return commandStatement(query.command);
  }
}

/** Throws `GrpcStatus` for what only an action may be. */
function commandStatement(command: FlightSqlCommand): Statement | MetadataCommand {
  switch (command.kind) {
    case "StatementQuery":
      return { sql: command.query, parameters: {} };
    case "PreparedStatementQuery":
      return { sql: command.prepared.query, parameters: command.prepared.parameters };
    case "CreatePreparedStatement":
    case "ClosePreparedStatement":
      throw notExpected("DoGet", command, "Error while logically planning query");
    default:
      return command;
  }
}

/** Throws `GrpcStatus`. */
export function influxQl(text: string, database: Database): Pick<Statement, "sql" | "metadata"> {
  try {
    return translate(text, database);
  } catch (error) {
    if (error instanceof InfluxQlRefusal) throw invalid(error.message);
    throw error;
  }
}

/** In InfluxDB the command follows as Rust prints it. */
export function notExpected(method: string, { kind }: FlightSqlCommand, phase: string): GrpcStatus {
  const text = `${phase}: External error: Protocol error. Method ${method} does not expect '"${kind}"'`;
  return new GrpcStatus(statusCode.internal, text);
}

/** Throws `GrpcStatus`. */
export function authorizeCall(call: GrpcCall, auth: AuthOptions | undefined, faults: FlightFaults): void {
  const header = call.headers.authorization;
  try {
    authorize(header, auth);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { status } = error.answer;
    const isDenied = status === 403 || (status === 401 && header !== undefined && faults.cloudErrors);
    throw isDenied
      ? new GrpcStatus(statusCode.permissionDenied, "Permission denied")
      : new GrpcStatus(statusCode.unauthenticated, "Unauthenticated");
  }
}

/** Throws `GrpcStatus`. */
export function databaseNamed({ store, faults }: DoGetDeps, name: string): Database {
  const database = store.catalog.database(name);
  if (database !== undefined) return database;
  if (faults.cloudErrors) throw new GrpcStatus(statusCode.notFound, `Database '${name}' not found`);
  const text = `Cannot retrieve database: External error: database not found: ${name}`;
  throw new GrpcStatus(statusCode.internal, text);
}

function baseTableTypeOf(header: string | string[] | undefined): BaseTableType {
  if (header === undefined) return "BASE TABLE";
  const type = String(header).toUpperCase();
  if (type === "BASE TABLE" || type === "TABLE") return type;
  throw invalid(
    `Invalid argument: Invalid argument: Invalid base table type: '${String(header)}'. ` +
      "Valid values are 'BASE TABLE' or 'TABLE'",
  );
}

/** Of what the engine says; anything else stays what it is. */
export function statusOf(error: unknown, phase = "Error while logically planning query"): unknown {
  if (!(error instanceof SqlRefusal)) return error;
  switch (error.phase) {
    case "planning":
      return invalid(`${phase}: ${error.message}`);
    case "execution":
      return invalid(error.message);
    default:
      return new GrpcStatus(statusCode.resourceExhausted, error.message);
  }
}

export function invalid(text: string): GrpcStatus {
  return new GrpcStatus(statusCode.invalidArgument, text);
}
