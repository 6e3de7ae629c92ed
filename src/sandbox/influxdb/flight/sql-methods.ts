/**
 * Flight SQL's way to a ticket: GetFlightInfo for a command, DoAction to make a prepared statement, DoPut to bind its
 * parameters. As in InfluxDB 3 the database stands in a header, the type of an action is not looked at, and nothing
 * is kept between two calls.
 *
 * Known differences: a placeholder without a value is planned as NULL, and its type is Null in the schema of the
 * parameters, where InfluxDB has the type that DataFusion infers or refuses a statement for which it cannot.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Field, Message, MessageHeader, Null, Schema } from "apache-arrow";

import {
  ActionSchema,
  FlightDataSchema,
  FlightDescriptorSchema,
  FlightDescriptor_DescriptorType,
  FlightInfoSchema,
  PutResultSchema,
  ResultSchema,
} from "../../../proto/flight/flight_pb.js";
import type { FlightDescriptor } from "../../../proto/flight/flight_pb.js";
import {
  ActionCreatePreparedStatementResultSchema,
  DoPutPreparedStatementResultSchema,
} from "../../../proto/flight/flight_sql_pb.js";
import { errorText } from "../../../lib/fault.ts";
import type { Database } from "../catalog.ts";
import type { SqlParameters } from "../sql.ts";
import { schemaOf } from "./arrow-types.ts";
import { authorizeCall, databaseNamed, influxQl, invalid, notExpected, statusOf } from "./do-get.ts";
import type { DoGetDeps, Statement } from "./do-get.ts";
import { encapsulatedSchema } from "./encoder.ts";
import type { IpcMessage } from "./encoder.ts";
import type { GrpcCall } from "./grpc-call.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";
import { decodeCommand, encodeHandle, packed } from "./sql-command.ts";
import type { FlightSqlCommand } from "./sql-command.ts";
import { metadata } from "./sql-metadata.ts";
import { firstBatchOf } from "./sql-parameters.ts";
import { placeholdersIn } from "./sql-placeholders.ts";
import { commandTicket, influxQlTicket } from "./ticket.ts";

const phase = "Error while planning query";

export async function getFlightInfo(deps: DoGetDeps, call: GrpcCall): Promise<void> {
  const databaseName = databaseHeader(call);
  const descriptor = fromBinary(FlightDescriptorSchema, await call.request());
  const command = describedCommand(descriptor);
  const database = admitted(deps, call, databaseName);
  const isInfluxQl = call.headers["x-influxdata-query-language"] === "influxql";
  // The header stands with every call of a client, and means nothing for the other commands.
  const influxQlText = isInfluxQl && command.kind === "StatementQuery" ? command.query : undefined;
  const [schema, ticket] =
    influxQlText === undefined
      ? [await commandSchema(deps, database, command), commandTicket(databaseName, descriptor.cmd)]
      : [
          await planned(deps, database, { ...influxQl(influxQlText, database), parameters: {} }),
          influxQlTicket(databaseName, influxQlText),
        ];
  const info = create(FlightInfoSchema, {
    schema: encapsulatedSchema(schema),
    flightDescriptor: descriptor,
    endpoint: [{ ticket: { ticket } }],
    totalRecords: -1n,
    totalBytes: -1n,
  });
  await call.send(toBinary(FlightInfoSchema, info));
}

/** One result, whatever the action. */
export async function doAction(deps: DoGetDeps, call: GrpcCall): Promise<void> {
  const databaseName = databaseHeader(call);
  const command = decodeCommand(fromBinary(ActionSchema, await call.request()).body);
  const database = admitted(deps, call, databaseName);
  const body = await actionResult(deps, database, command);
  await call.send(toBinary(ResultSchema, create(ResultSchema, { body })));
}

async function actionResult(
  deps: DoGetDeps,
  database: Database,
  command: FlightSqlCommand,
): Promise<Uint8Array> {
  if (command.kind === "ClosePreparedStatement") return new Uint8Array();
  if (command.kind !== "CreatePreparedStatement") throw notExpected("DoAction", command, phase);
  const { query } = command;
  const schema = ActionCreatePreparedStatementResultSchema;
  const dataset = await planned(deps, database, { sql: query, parameters: {} });
  const parameters = new Schema(placeholdersIn(query).map((name) => new Field(`$${name}`, new Null(), true)));
  const result = create(schema, {
    preparedStatementHandle: encodeHandle(query),
    datasetSchema: encapsulatedSchema(dataset),
    parameterSchema: encapsulatedSchema(parameters),
  });
  return packed(schema, result);
}

/** Reads no further than the first batch, which is all that InfluxDB binds. */
export async function doPut(deps: DoGetDeps, call: GrpcCall): Promise<void> {
  const databaseName = databaseHeader(call);
  const messages = call.requests();
  try {
    const handle = await boundHandle(deps, call, databaseName, messages);
    const result = create(DoPutPreparedStatementResultSchema, { preparedStatementHandle: handle });
    const appMetadata = toBinary(DoPutPreparedStatementResultSchema, result);
    await call.send(toBinary(PutResultSchema, create(PutResultSchema, { appMetadata })));
  } finally {
    // So that the rest flows away. A call that was ended may still wait for a message, and this would wait with it.
    if (!call.signal.aborted) await messages.return(undefined);
  }
}

async function boundHandle(
  deps: DoGetDeps,
  call: GrpcCall,
  databaseName: string,
  messages: AsyncGenerator<Uint8Array>,
): Promise<Uint8Array> {
  const first = await call.until(messages.next());
  const data = first.done === true ? undefined : fromBinary(FlightDataSchema, first.value);
  if (data?.flightDescriptor === undefined) throw invalid("No FlightDescriptor in Flight SQL request");
  const command = decodeCommand(data.flightDescriptor.cmd);
  admitted(deps, call, databaseName);
  if (command.kind !== "PreparedStatementQuery") throw notExpected("DoPut", command, phase);
  const { query } = command.prepared;
  const params = await boundParameters(call, messages, { header: data.dataHeader, body: data.dataBody });
  if (params !== undefined) return encodeHandle(query, params);
  const text =
    `${phase}: External error: Expected stream of FlightData but found none when executing method DoPut for ` +
    `command "CommandPreparedStatementQuery Prepared(${query})".`;
  throw new GrpcStatus(statusCode.internal, text);
}

/** Of a schema, its dictionaries and its first batch. */
const maxParameterBytes = 16 * 1024 * 1024;

async function boundParameters(
  call: GrpcCall,
  rest: AsyncGenerator<Uint8Array>,
  first: IpcMessage,
): Promise<Uint8Array | undefined> {
  const messages: IpcMessage[] = [];
  let bytes = 0;
  for (let message = first; ;) {
    bytes += message.header.length + message.body.length;
    if (bytes > maxParameterBytes) throw new GrpcStatus(statusCode.resourceExhausted, "too many parameters");
    // A message may bring no more than the descriptor.
    if (message.header.length > 0) messages.push(message);
    const params = parametersAfter(messages);
    if (params !== undefined) return params;
    const next = await call.until(rest.next());
    if (next.done === true) return undefined;
    const { dataHeader: header, dataBody: body } = fromBinary(FlightDataSchema, next.value);
    message = { header, body };
  }
}

/** Undefined as long as the last message is no batch. */
function parametersAfter(messages: readonly IpcMessage[]): Uint8Array | undefined {
  const last = messages.at(-1);
  try {
    if (last === undefined) return undefined;
    const message = Message.decode(last.header);
    if (message.headerType === MessageHeader.NONE) throw new TypeError("Ipc error: no message of Arrow");
    return message.isRecordBatch() ? firstBatchOf(messages) : undefined;
  } catch (error) {
    throw invalid(`${phase}: External error: ${errorText(error)}`);
  }
}

function describedCommand({ type, cmd }: FlightDescriptor): FlightSqlCommand {
  switch (type) {
    case FlightDescriptor_DescriptorType.CMD:
      return decodeCommand(cmd);
    case FlightDescriptor_DescriptorType.PATH:
      throw unimplemented("Unsupported message type: FlightInfo with Path");
    default:
      throw unimplemented("Unsupported message type: FlightInfo of unknown type");
  }
}

async function commandSchema(
  deps: DoGetDeps,
  database: Database,
  command: FlightSqlCommand,
): Promise<Schema> {
  switch (command.kind) {
    case "StatementQuery":
      return await planned(deps, database, { sql: command.query, parameters: {} });
    case "PreparedStatementQuery": {
      const { query, parameters } = command.prepared;
      return await planned(deps, database, { sql: query, parameters });
    }
    case "CreatePreparedStatement":
    case "ClosePreparedStatement":
      throw notExpected("GetFlightInfo", command, phase);
    default:
      return metadata(command, database, "BASE TABLE").schema;
  }
}

/** The schema of what the statement would give. */
async function planned(deps: DoGetDeps, database: Database, statement: Statement): Promise<Schema> {
  const { sql, parameters, metadata: schemaMetadata } = statement;
  const missing: SqlParameters = Object.fromEntries(placeholdersIn(sql).map((name) => [name, null]));
  const stream = await deps.store
    .stream(database, sql, { ...missing, ...parameters })
    .catch((error: unknown) => {
      throw statusOf(error, phase);
    });
  stream.close();
  const { dictionaries } = deps.faults;
  return schemaOf(stream.columns, {
    dictionaries,
    ...(schemaMetadata === undefined ? {} : { metadata: schemaMetadata }),
  });
}

function admitted(deps: DoGetDeps, call: GrpcCall, databaseName: string): Database {
  authorizeCall(call, deps.auth, deps.faults);
  return databaseNamed(deps, databaseName);
}

/** In the order in which a refusal names them. */
const databaseHeaders = ["database", "bucket", "bucket-name", "iox-namespace-name"];

/** Several are fine where they agree. */
function databaseHeader({ headers }: GrpcCall): string {
  const names = databaseHeaders.filter((name) => headers[name] !== undefined);
  const [value, ...others] = new Set(names.map((name) => String(headers[name])));
  if (value === undefined) throw invalid("no 'database' header in request");
  if (others.length === 0) return value;
  const list = names.map((name) => JSON.stringify(name)).join(", ");
  throw invalid(`More than one headers are found in request: [${list}]. Please include only one of them`);
}

function unimplemented(text: string): GrpcStatus {
  return new GrpcStatus(statusCode.unimplemented, text);
}
