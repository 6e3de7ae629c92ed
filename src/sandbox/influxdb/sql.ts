/** What a client asks in SQL, and how the stand-in refuses it: in the words of DataFusion where they are known. */
import { errorText } from "../../lib/fault.ts";

/** A whole number is a bigint, so that it stays an integer; a number is a float. */
export type SqlParameters = Readonly<Record<string, null | boolean | number | bigint | string>>;

/** 64-bit integers and nanosecond timestamps are BigInt; what InfluxDB has no type for is text. */
export type SqlCell = null | boolean | number | bigint | string;

/** The statement is wrong, does more than read, or fails on its data; the message is for the client. */
export class SqlRefusal extends Error {
  /** `execution`: found while it ran, maybe after rows; `resources`: it needs more than this engine may take. */
  readonly phase: "planning" | "execution" | "resources";

  constructor(message: string, phase: SqlRefusal["phase"] = "planning") {
    super(message);
    this.phase = phase;
  }
}

export function planningError(reason: string): SqlRefusal {
  return new SqlRefusal(`Error during planning: ${reason}`);
}

/**
 * An error of DuckDB as InfluxDB would put it. All that DuckDB gives is a text, `Binder Error: …`; only the
 * words of our answer depend on it.
 */
export function refusalOf(error: unknown): SqlRefusal {
  if (error instanceof SqlRefusal) return error;
  const text = errorText(error).split("\n", 1)[0] ?? "";
  const [, kind = "", reason = text] = /^([A-Z][A-Za-z -]*) Error: (.*)$/s.exec(text) ?? [];
  if (kind === "Out of Memory") return new SqlRefusal(`Resources exhausted: ${reason}`, "resources");
  if (kind === "Parser") return new SqlRefusal(`SQL error: ParserError("${reason}")`);
  if (kind === "Conversion") return new SqlRefusal(`Arrow error: Cast error: ${reason}`, "execution");
  if (kind === "Out of Range") return new SqlRefusal(`Arrow error: Compute error: ${reason}`, "execution");
  const field = unknownField(reason);
  if (field !== undefined) return new SqlRefusal(`Schema error: No field named ${field}.`);
  const called = /^\w+(?: \w+)? Function with name "?(.+?)"? does not exist!/.exec(reason)?.[1];
  if (called !== undefined) return planningError(`Invalid function '${called}'.`);
  return planningError(reason);
}

function unknownField(reason: string): string | undefined {
  const bare = /^Referenced column "(.+)" (?:was )?not found /.exec(reason)?.[1];
  if (bare !== undefined) return shown(bare);
  const [, table, column] =
    /^(?:Table|Values list) "(.+)" does not have a column named "(.+)"$/.exec(reason) ?? [];
  return table === undefined || column === undefined ? undefined : `${shown(table)}.${shown(column)}`;
}

/** DataFusion quotes a name that could not stand without. */
function shown(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name}"`;
}
