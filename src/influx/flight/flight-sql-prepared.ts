/**
 * Prepared statements. The server gives a handle; InfluxDB's holds the whole statement, and the one it gives after a
 * binding holds the values too, so nothing is kept there. A server that keeps statements gives none, and the old one stays.
 */
import {
  ActionClosePreparedStatementRequestSchema,
  ActionCreatePreparedStatementRequestSchema,
  CommandPreparedStatementQuerySchema,
} from "../../proto/flight/flight_sql_pb.js";
import { assert, Fault } from "../../lib/fault.ts";
import { columnsOf } from "../arrow/columns.ts";
import { readSchemaMessage } from "../arrow/schema-message.ts";
import type { Column } from "./api.ts";
import { decoding, labelled } from "./faults.ts";
import type { PreparedStatement, ShortOptions } from "./flight-sql-api.ts";
import { actionExchange, bindExchange, createdStatement, packed } from "./flight-sql-commands.ts";
import { commandRequest, type FlightSqlDeps } from "./flight-sql-request.ts";
import { checkText } from "./params.ts";
import { paramsBatch } from "./params-batch.ts";
import { shortCall } from "./short-call.ts";
import { QueryStream } from "./stream.ts";
import { Turns } from "./wait.ts";

/** Nobody waits for long for a server to forget something. */
const longestCloseMs = 5000;

export async function prepare(
  text: string,
  options: ShortOptions,
  deps: FlightSqlDeps,
): Promise<PreparedStatement> {
  checkText(text, "the query");
  const body = packed(ActionCreatePreparedStatementRequestSchema, { query: text });
  const exchange = actionExchange("CreatePreparedStatement", body);
  const request = deps.complete(options);
  const answer = await shortCall(exchange, request, deps.streamDeps);
  const { database, signal } = options;
  const defaults = database === undefined ? {} : { database };
  let handle: Uint8Array | undefined;
  try {
    const created = createdStatement(answer);
    handle = created.preparedStatementHandle;
    return statementOf({
      handle,
      columns: columnsIn(created.datasetSchema),
      parameters: columnsIn(created.parameterSchema),
      defaults,
      deps,
    });
  } catch (error) {
    if (handle !== undefined) await forget(handle, { ...defaults, ...(signal && { signal }) }, deps);
    throw error instanceof Fault ? labelled(error, request.requestId, 1) : error;
  }
}

/** A statement stays in the database that it was made in. */
type Defaults = Pick<ShortOptions, "database">;

interface Created {
  readonly handle: Uint8Array;
  readonly columns: readonly Column[] | undefined;
  readonly parameters: readonly Column[] | undefined;
  readonly defaults: Defaults;
  readonly deps: FlightSqlDeps;
}

function statementOf({ handle: first, columns, parameters, defaults, deps }: Created): PreparedStatement {
  const turns = new Turns();
  let handle = first;
  let isClosed = false;
  const command = (preparedStatementHandle: Uint8Array): Uint8Array =>
    packed(CommandPreparedStatementQuerySchema, { preparedStatementHandle });

  return {
    columns,
    parameters,
    bind: async (params, options) => {
      assert(!isClosed, "a prepared statement is bound after its close");
      const batch = paramsBatch(params);
      await turns.take(async () => {
        const request = deps.complete({ ...defaults, ...options });
        const bound = await shortCall(bindExchange(command(handle), batch), request, deps.streamDeps);
        handle = bound ?? handle;
      });
    },
    query: (options) => {
      assert(!isClosed, "a prepared statement is asked after its close");
      const now = handle;
      return new QueryStream(
        commandRequest(() => command(now), { ...defaults, ...options }, deps),
        deps.streamDeps,
      );
    },
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      // A binding under way may still give another handle.
      await turns.take(async () => await forget(handle, defaults, deps));
    },
  };
}

/** Tells the server that the handle is of no use any more, if that can be done soon. Never rejects. */
async function forget(
  preparedStatementHandle: Uint8Array,
  options: Defaults & Pick<ShortOptions, "signal">,
  { complete, streamDeps }: FlightSqlDeps,
): Promise<void> {
  const request = complete({ ...options, retry: "never" as const });
  try {
    const body = packed(ActionClosePreparedStatementRequestSchema, { preparedStatementHandle });
    const timeoutMs = Math.min(request.timeoutMs, longestCloseMs);
    await shortCall(actionExchange("ClosePreparedStatement", body), { ...request, timeoutMs }, streamDeps);
  } catch {
    // A server that cannot be told forgets it with the connection, or never held it.
  }
}

function columnsIn(schema: Uint8Array): readonly Column[] | undefined {
  return schema.length === 0 ? undefined : decoding(() => columnsOf(readSchemaMessage(schema)));
}
