/** /api/v3/query_sql, by GET with parameters or by POST with JSON. */
import type { IncomingMessage } from "node:http";

import type { Answer } from "./answer.ts";
import { jsonError, plainError } from "./answer.ts";
import { readBody } from "./body.ts";
import type { QueryFormat } from "./format.ts";
import { contentTypes, formatForAccept, formatNamed, printResult } from "./format.ts";
import { parseJson } from "./json.ts";
import type { SqlParameters } from "./sql.ts";
import { SqlRefusal } from "./sql.ts";
import type { Store } from "./store.ts";

interface QueryRequest {
  readonly db: string;
  readonly sql: string;
  readonly format: QueryFormat;
  readonly parameters: SqlParameters;
}

export async function handleQuery(
  store: Store,
  request: IncomingMessage,
  query: URLSearchParams,
  maxBodyBytes: number,
): Promise<Answer> {
  const asked =
    request.method === "POST"
      ? requestOf(
          parseJson(await readBody(request, maxBodyBytes)),
          request.headers.accept,
          "serde json error",
        )
      : requestOf(inQuery(query), request.headers.accept, "serde error");
  const database = store.catalog.database(asked.db);
  if (database === undefined) throw jsonError(404, `query error: database not found: ${asked.db}`);
  try {
    const result = await store.query(database, asked.sql, asked.parameters);
    return {
      status: 200,
      headers: { "content-type": contentTypes[asked.format] },
      body: printResult(result, asked.format),
    };
  } catch (error) {
    if (error instanceof SqlRefusal) throw plainError(400, error.message);
    throw error;
  }
}

function inQuery(query: URLSearchParams): Record<string, unknown> {
  if (query.size === 0) throw plainError(400, "missing query parameters 'db' and 'q'");
  const params = query.get("params");
  return { ...Object.fromEntries(query), params: params === null ? undefined : parseJson(params) };
}

function requestOf(
  given: Record<string, unknown>,
  accept: string | undefined,
  errorPrefix: string,
): QueryRequest {
  const { db, q: sql } = given;
  if (typeof db !== "string") throw plainError(400, `${errorPrefix}: missing field \`db\``);
  if (typeof sql !== "string") throw plainError(400, `${errorPrefix}: missing field \`q\``);
  const parameters = parametersOf(given["params"]);
  return { db, sql, format: formatOf(given["format"], accept, errorPrefix), parameters };
}

function formatOf(name: unknown, accept: string | undefined, errorPrefix: string): QueryFormat {
  if (name === undefined || name === null) {
    const format = formatForAccept(accept);
    if (format === undefined) throw plainError(400, `invalid mime type (${accept})`);
    return format;
  }
  if (typeof name !== "string") throw plainError(400, `${errorPrefix}: invalid type, expected a format`);
  const format = formatNamed(name);
  if (format === undefined) {
    const known = "`parquet`, `csv`, `pretty`, `json`, `json_lines`, `jsonl`";
    throw plainError(400, `${errorPrefix}: unknown variant \`${name}\`, expected one of ${known}`);
  }
  return format;
}

function parametersOf(given: unknown): SqlParameters {
  const parameters: Record<string, SqlParameters[string]> = {};
  if (given === undefined || given === null) return parameters;
  for (const [name, value] of Object.entries(given)) {
    if (
      value !== null &&
      typeof value !== "boolean" &&
      typeof value !== "number" &&
      typeof value !== "string"
    ) {
      const kind = Array.isArray(value) ? "arrays" : "objects";
      throw plainError(
        400,
        `serde json error: JSON ${kind} are not supported as query parameters. Expected null, boolean, number, or string.`,
      );
    }
    // JSON.parse has lost what tells 5.0 from 5.
    parameters[name] = Number.isSafeInteger(value) ? BigInt(Number(value)) : value;
  }
  return parameters;
}
