/** /api/v3/configure/database: create, list, delete. Success is 200 with an empty body. */
import type { IncomingMessage } from "node:http";

import type { Answer } from "./answer.ts";
import { jsonError, plainError } from "./answer.ts";
import { readBody } from "./body.ts";
import { CatalogRefusal } from "./catalog.ts";
import { databaseNameProblem } from "./database-name.ts";
import { contentTypes, formatNamed, printResult } from "./format.ts";
import { parseJson } from "./json.ts";
import type { Store } from "./store.ts";

const internalDatabase = "_internal";

export async function createDatabase(
  store: Store,
  request: IncomingMessage,
  maxBodyBytes: number,
): Promise<Answer> {
  if (!/^application\/(?:[^;]+\+)?json\s*(?:;|$)/.test(request.headers["content-type"] ?? "")) {
    throw plainError(415, "unacceptable content-type, expected: application/json");
  }
  const body = parseJson(await readBody(request, maxBodyBytes));
  const name = body["db"];
  if (typeof name !== "string") throw plainError(400, "serde json error: missing field `db`");
  const retentionNs = retention(body["retention_period"]);
  const problem = databaseNameProblem(name);
  if (problem !== undefined) throw jsonError(400, problem);
  try {
    store.catalog.createDatabase(name, retentionNs);
  } catch (error) {
    throw refusal(error);
  }
  store.catalog.keep();
  await store.saveDatabases();
  return { status: 200 };
}

export async function deleteDatabase(store: Store, query: URLSearchParams): Promise<Answer> {
  const name = query.get("db");
  if (name === null) throw plainError(400, "serde error: missing field `db`");
  if (name === internalDatabase) throw plainError(500, "cannot delete internal db");
  try {
    await store.eraseDatabase(store.catalog.dropDatabase(name));
  } catch (error) {
    throw refusal(error);
  }
  return { status: 200 };
}

/** The parameter `format` has no default here. Deleted databases are gone at once, so none is listed. */
export function listDatabases(store: Store, query: URLSearchParams): Answer {
  const name = query.get("format");
  if (name === null) throw plainError(400, "serde error: missing field `format`");
  const format = formatNamed(name);
  if (format === undefined) {
    throw plainError(400, `serde error: unknown variant \`${name}\`, expected one of ${known}`);
  }
  const withDeleted = query.get("show_deleted") === "true";
  const names = [internalDatabase, ...store.catalog.databases().map((database) => database.name)];
  const columns = [
    { name: "iox::database", type: "utf8", influx: undefined },
    ...(withDeleted ? [deletedColumn] : []),
  ] as const;
  const rows = names.map((each) => (withDeleted ? [each, false] : [each]));
  return {
    status: 200,
    headers: { "content-type": contentTypes[format] },
    body: printResult({ columns, rows }, format),
  };
}

const deletedColumn = { name: "deleted", type: "boolean", influx: undefined } as const;
const known = "`parquet`, `csv`, `pretty`, `json`, `json_lines`, `jsonl`";

const statusOf: Readonly<Record<CatalogRefusal["reason"], number>> = {
  limit: 422,
  exists: 409,
  not_found: 404,
  schema: 400,
};

function refusal(error: unknown): unknown {
  if (!(error instanceof CatalogRefusal)) return error;
  const status = statusOf[error.reason];
  return status === 422 ? jsonError(status, error.message) : plainError(status, error.message);
}

const units: readonly (readonly [seconds: bigint, names: string])[] = [
  [1n, "s sec secs second seconds"],
  [60n, "m min mins minute minutes"],
  [3600n, "h hr hrs hour hours"],
  [86_400n, "d day days"],
  [604_800n, "w wk wks week weeks"],
  [2_630_016n, "M month months"],
  [31_557_600n, "y yr yrs year years"],
];

const secondsPer: ReadonlyMap<string, bigint> = new Map(
  units.flatMap(([seconds, names]) => names.split(" ").map((name) => [name, seconds] as const)),
);

/** "90d", "1h 30m": the server reads durations as people write them. Gives nanoseconds. */
function retention(value: unknown): bigint | undefined {
  if (value === undefined || value === null) return undefined;
  const text = typeof value === "string" ? value.trim() : "";
  let seconds = 0n;
  for (const part of text.split(/(?<=[A-Za-z])\s*(?=\d)/)) {
    const match = /^(\d{1,9})\s*([A-Za-z]+)$/.exec(part);
    const unit = secondsPer.get(match?.[2] ?? "");
    if (match?.[1] === undefined || unit === undefined) {
      throw plainError(400, `serde json error: invalid value: ${JSON.stringify(value)}, expected a duration`);
    }
    seconds += BigInt(match[1]) * unit;
  }
  return seconds * 1_000_000_000n;
}
