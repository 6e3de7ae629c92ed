/** Flight SQL on a client's channel: each question is a command, and its answer a stream like a query's. */
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import {
  CommandGetCatalogsSchema,
  CommandGetCrossReferenceSchema,
  CommandGetDbSchemasSchema,
  CommandGetExportedKeysSchema,
  CommandGetImportedKeysSchema,
  CommandGetPrimaryKeysSchema,
  CommandGetSqlInfoSchema,
  CommandGetTablesSchema,
  CommandGetTableTypesSchema,
  CommandGetXdbcTypeInfoSchema,
  CommandStatementQuerySchema,
} from "../../proto/flight/flight_sql_pb.js";
import { defined } from "../../lib/schema.ts";
import type { FlightStream, ReadOptions } from "./api.ts";
import type { FlightSql, TableName } from "./flight-sql-api.ts";
import { packed } from "./flight-sql-commands.ts";
import { ListedStream, sqlInfoOf, tableInfoOf } from "./flight-sql-lists.ts";
import { prepare } from "./flight-sql-prepared.ts";
import { commandRequest, type FlightSqlDeps } from "./flight-sql-request.ts";
import { checkText } from "./params.ts";
import type { ReadRequest } from "./reading.ts";
import { QueryStream } from "./stream.ts";

export function flightSql(deps: FlightSqlDeps): FlightSql {
  const { streamDeps } = deps;
  function asking<D extends DescMessage>(
    schema: D,
    init: MessageInitShape<D>,
    options: ReadOptions | undefined,
  ): ReadRequest {
    return commandRequest(() => packed(schema, init), options, deps);
  }
  function ask<D extends DescMessage>(
    schema: D,
    init: MessageInitShape<D>,
    options: ReadOptions | undefined,
  ): FlightStream {
    return new QueryStream(asking(schema, init, options), streamDeps);
  }
  return {
    statement(text, options) {
      const command = (): Uint8Array => {
        checkText(text, "the query");
        return packed(CommandStatementQuerySchema, { query: text });
      };
      return new QueryStream(commandRequest(command, options, deps), streamDeps);
    },
    prepare: async (text, options = {}) => await prepare(text, options, deps),
    catalogs: (options) => ask(CommandGetCatalogsSchema, {}, options),
    schemas: ({ catalog, pattern } = {}, options) =>
      ask(CommandGetDbSchemasSchema, defined({ catalog, dbSchemaFilterPattern: pattern }), options),
    tables({ catalog, schemaPattern, tablePattern, types = [], includeSchema = false } = {}, options) {
      const patterns = defined({
        catalog,
        dbSchemaFilterPattern: schemaPattern,
        tableNameFilterPattern: tablePattern,
      });
      const filter = { ...patterns, tableTypes: [...types], includeSchema };
      return new ListedStream(asking(CommandGetTablesSchema, filter, options), streamDeps, tableInfoOf);
    },
    tableTypes: (options) => ask(CommandGetTableTypesSchema, {}, options),
    sqlInfo: (ids = [], options) =>
      new ListedStream(asking(CommandGetSqlInfoSchema, { info: [...ids] }, options), streamDeps, sqlInfoOf),
    typeInfo: (dataType, options) => ask(CommandGetXdbcTypeInfoSchema, defined({ dataType }), options),
    primaryKeys: (table, options) => ask(CommandGetPrimaryKeysSchema, keysOf(table), options),
    exportedKeys: (table, options) => ask(CommandGetExportedKeysSchema, keysOf(table), options),
    importedKeys: (table, options) => ask(CommandGetImportedKeysSchema, keysOf(table), options),
    crossReference: (primary, foreign, options) =>
      ask(CommandGetCrossReferenceSchema, referenceOf(primary, foreign), options),
  };
}

function keysOf({ catalog, schema, table }: TableName): { table: string } {
  return { table, ...defined({ catalog, dbSchema: schema }) };
}

function referenceOf(primary: TableName, foreign: TableName): { pkTable: string; fkTable: string } {
  const rest = defined({
    pkCatalog: primary.catalog,
    pkDbSchema: primary.schema,
    fkCatalog: foreign.catalog,
    fkDbSchema: foreign.schema,
  });
  return { pkTable: primary.table, fkTable: foreign.table, ...rest };
}
