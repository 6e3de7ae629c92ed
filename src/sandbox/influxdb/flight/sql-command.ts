/**
 * A command of Flight SQL, as InfluxDB 3 reads it: a protobuf `Any`, of which only the type URL says what it is. A
 * prepared statement is stateless: its handle is the statement and its parameters, and the client carries it.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Any } from "@bufbuild/protobuf/wkt";

import { errorText } from "../../../lib/fault.ts";
import {
  ActionClosePreparedStatementRequestSchema,
  ActionCreatePreparedStatementRequestSchema,
  CommandGetCatalogsSchema,
  CommandGetCrossReferenceSchema,
  CommandGetDbSchemasSchema,
  CommandGetExportedKeysSchema,
  CommandGetImportedKeysSchema,
  CommandGetPrimaryKeysSchema,
  CommandGetSqlInfoSchema,
  CommandGetTableTypesSchema,
  CommandGetTablesSchema,
  CommandGetXdbcTypeInfoSchema,
  CommandPreparedStatementQuerySchema,
  CommandStatementQuerySchema,
} from "../../../proto/flight/flight_sql_pb.js";
import type { CommandGetDbSchemas, CommandGetTables } from "../../../proto/flight/flight_sql_pb.js";
import { FlightSqlPreparedStatementHandleSchema } from "../../../proto/iox/ticket_pb.js";
import type { SqlParameters } from "../sql.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";
import { parametersIn } from "./sql-parameters.ts";

/** What asks about the server and its tables. */
export type MetadataCommand =
  | { readonly kind: "GetCatalogs" | "GetTableTypes" | "GetPrimaryKeys" }
  | { readonly kind: "GetExportedKeys" | "GetImportedKeys" | "GetCrossReference" }
  | { readonly kind: "GetDbSchemas"; readonly filter: CommandGetDbSchemas }
  | { readonly kind: "GetTables"; readonly filter: CommandGetTables }
  | { readonly kind: "GetSqlInfo"; readonly codes: readonly number[] }
  | { readonly kind: "GetXdbcTypeInfo"; readonly dataType: number | undefined };

export interface PreparedStatement {
  readonly query: string;
  /** Empty until some are bound. */
  readonly parameters: SqlParameters;
}

export type FlightSqlCommand =
  | MetadataCommand
  | { readonly kind: "StatementQuery"; readonly query: string }
  | { readonly kind: "PreparedStatementQuery"; readonly prepared: PreparedStatement }
  | { readonly kind: "CreatePreparedStatement"; readonly query: string }
  | { readonly kind: "ClosePreparedStatement" };

/** Of every `Any` in Flight SQL; InfluxDB takes no other prefix. */
const typePrefix = "type.googleapis.com/";

export function packed<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Uint8Array {
  const any = create(AnySchema, { typeUrl: typePrefix + schema.typeName, value: toBinary(schema, message) });
  return toBinary(AnySchema, any);
}

/** Throws `GrpcStatus`. */
export function decodeCommand(bytes: Uint8Array): FlightSqlCommand {
  const any = decoded(AnySchema, bytes, "Invalid protobuf: failed to decode Protobuf message");
  const decode = decoders.get(any.typeUrl);
  if (decode === undefined) throw refused(`Unsupported FlightSQL message type: ${any.typeUrl}`);
  return decode(any);
}

export function encodeHandle(query: string, params?: Uint8Array): Uint8Array {
  const schema = FlightSqlPreparedStatementHandleSchema;
  return packed(schema, create(schema, { query, ...(params === undefined ? {} : { params }) }));
}

/** How a decoder is found, and what it makes of a message. */
type Decoder = readonly [typeUrl: string, decode: (any: Any) => FlightSqlCommand];

function decoder<Desc extends DescMessage>(
  schema: Desc,
  commandOf: (message: MessageShape<Desc>) => FlightSqlCommand,
): Decoder {
  const what = "Parser error: Unable to decode Any value";
  return [typePrefix + schema.typeName, ({ value }) => commandOf(decoded(schema, value, what))];
}

const decoders: ReadonlyMap<string, Decoder[1]> = new Map([
  decoder(CommandStatementQuerySchema, ({ query }) => ({ kind: "StatementQuery", query })),
  decoder(CommandPreparedStatementQuerySchema, ({ preparedStatementHandle: handle }) => ({
    kind: "PreparedStatementQuery",
    prepared: decodeHandle(handle),
  })),
  decoder(CommandGetSqlInfoSchema, ({ info }) => ({ kind: "GetSqlInfo", codes: info })),
  decoder(CommandGetCatalogsSchema, () => ({ kind: "GetCatalogs" })),
  decoder(CommandGetCrossReferenceSchema, () => ({ kind: "GetCrossReference" })),
  decoder(CommandGetDbSchemasSchema, (filter) => ({ kind: "GetDbSchemas", filter })),
  decoder(CommandGetExportedKeysSchema, () => ({ kind: "GetExportedKeys" })),
  decoder(CommandGetImportedKeysSchema, () => ({ kind: "GetImportedKeys" })),
  decoder(CommandGetPrimaryKeysSchema, () => ({ kind: "GetPrimaryKeys" })),
  decoder(CommandGetTablesSchema, (filter) => ({ kind: "GetTables", filter })),
  decoder(CommandGetTableTypesSchema, () => ({ kind: "GetTableTypes" })),
  decoder(CommandGetXdbcTypeInfoSchema, ({ dataType }) => ({ kind: "GetXdbcTypeInfo", dataType })),
  decoder(ActionCreatePreparedStatementRequestSchema, ({ query }) => ({
    kind: "CreatePreparedStatement",
    query,
  })),
  decoder(ActionClosePreparedStatementRequestSchema, ({ preparedStatementHandle: handle }) => {
    decodeHandle(handle);
    return { kind: "ClosePreparedStatement" };
  }),
]);

/** What is no `Any` at all is the statement itself, as the handles of older servers were. */
function decodeHandle(handle: Uint8Array): PreparedStatement {
  const any = anyOrError(handle);
  if (any instanceof Error) return { query: legacyQuery(handle, any), parameters: {} };
  const expected = typePrefix + FlightSqlPreparedStatementHandleSchema.typeName;
  if (any.typeUrl !== expected) {
    throw refused(`Invalid Any type URL. Expected '${expected}' found '${any.typeUrl}'`);
  }
  const what = "Invalid protobuf: failed to decode Protobuf message";
  const { query, params } = decoded(FlightSqlPreparedStatementHandleSchema, any.value, what);
  return { query, parameters: params === undefined ? {} : bound(params) };
}

function anyOrError(bytes: Uint8Array): Any | Error {
  try {
    return fromBinary(AnySchema, bytes);
  } catch (error) {
    return new Error(errorText(error));
  }
}

function legacyQuery(handle: Uint8Array, { message }: Error): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(handle);
  } catch {
    throw refused(
      "Invalid PreparedStatement handle. Expected protobuf Any or UTF-8 query string\n" +
        `not protobuf Any: failed to decode Protobuf message: ${message}\nand not UTF-8: invalid utf-8 sequence`,
    );
  }
}

function bound(params: Uint8Array): SqlParameters {
  try {
    return parametersIn(params);
  } catch (error) {
    throw refused(errorText(error));
  }
}

function decoded<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  what: string,
): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw refused(`${what}: ${errorText(error)}`);
  }
}

function refused(reason: string): GrpcStatus {
  return new GrpcStatus(statusCode.invalidArgument, `Error while planning Flight SQL : ${reason}`);
}
