/** DoGet: a ticket in, a result out. */
import { fromBinary } from "@bufbuild/protobuf";

import { TicketSchema } from "../../../proto/flight/flight_pb.js";
import { Refused } from "../answer.ts";
import { authorize } from "../auth.ts";
import type { AuthOptions } from "../auth.ts";
import type { Catalog, Database } from "../catalog.ts";
import type { FlightFaults } from "../faults.ts";
import { SqlRefusal } from "../sql.ts";
import type { SqlParameters } from "../sql.ts";
import type { SqlStream } from "../sql-stream.ts";
import { ActedOut, AnswerStream, actOut } from "./answer-stream.ts";
import type { GrpcCall } from "./grpc-call.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";
import { InfluxQlRefusal } from "./influxql-tokens.ts";
import { translate } from "./influxql.ts";
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

interface Statement {
  readonly sql: string;
  readonly metadata?: ReadonlyMap<string, string>;
}

export async function doGet(deps: DoGetDeps, call: GrpcCall): Promise<Readonly<Record<string, string>>> {
  const { auth, counters, faults } = deps;
  authorizeCall(call.headers.authorization, auth, faults);
  counters.queries += 1;
  try {
    const query = decodeTicket(fromBinary(TicketSchema, await call.request()).ticket);
    await answer(deps, call, query);
    return faults.trailers;
  } catch (error) {
    if (call.signal.aborted && !(error instanceof ActedOut)) counters.cancelled += 1;
    throw error;
  }
}

async function answer(deps: DoGetDeps, call: GrpcCall, query: TicketQuery): Promise<void> {
  const { store, faults, counters, keepAliveMs } = deps;
  const fault = faults.take();
  if (fault !== undefined && fault.afterBatches === undefined) await actOut(call, fault, faults);
  const database = store.catalog.database(query.database);
  if (database === undefined) throw missingDatabase(query.database, faults);
  const { sql, metadata } = statementOf(query, database);
  const stream = await store.stream(database, sql, query.parameters).catch((error: unknown) => {
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

function statementOf(query: TicketQuery, database: Database): Statement {
  if (query.language === "sql") return { sql: query.text };
  if (query.language === "flightsql") {
    throw new GrpcStatus(statusCode.unimplemented, "Flight SQL is not spoken by this stand-in");
  }
  try {
    return translate(query.text, database);
  } catch (error) {
    if (error instanceof InfluxQlRefusal) throw invalid(error.message);
    throw error;
  }
}

function authorizeCall(
  header: string | undefined,
  auth: AuthOptions | undefined,
  faults: FlightFaults,
): void {
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

function missingDatabase(name: string, faults: FlightFaults): GrpcStatus {
  if (faults.cloudErrors) return new GrpcStatus(statusCode.notFound, `Database '${name}' not found`);
  const text = `Cannot retrieve database: External error: database not found: ${name}`;
  return new GrpcStatus(statusCode.internal, text);
}

/** Of what the engine says; anything else stays what it is. */
function statusOf(error: unknown): unknown {
  if (!(error instanceof SqlRefusal)) return error;
  switch (error.phase) {
    case "planning":
      return invalid(`Error while logically planning query: ${error.message}`);
    case "execution":
      return invalid(error.message);
    default:
      return new GrpcStatus(statusCode.resourceExhausted, error.message);
  }
}

function invalid(text: string): GrpcStatus {
  return new GrpcStatus(statusCode.invalidArgument, text);
}
