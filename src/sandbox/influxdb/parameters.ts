/**
 * `$name` placeholders give way to their values before a statement is planned, as in InfluxDB: a text is a
 * literal like any other there, and is compared with a time as one. Pure.
 */
import type { SqlParameters } from "./sql.ts";
import { planningError } from "./sql.ts";

/** Texts, quoted names and comments, where a `$` is only a character, come first. */
const pieces = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w+)/g;

/** A parameter that the statement does not name is not looked at; one that is missing throws `SqlRefusal`. */
export function withValues(sql: string, parameters: SqlParameters): string {
  return sql.replaceAll(pieces, (piece, name: string | undefined) => {
    if (name === undefined) return piece;
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value === undefined) throw planningError(`No value found for placeholder with name $${name}`);
    return literal(value);
  });
}

function literal(value: SqlParameters[string]): string {
  switch (typeof value) {
    case "string":
      // NUL cannot stand in a statement.
      return value.includes("\0")
        ? `(${value.split("\0").map(quotedText).join(" || chr(0) || ")})`
        : quotedText(value);
    case "number":
      return `CAST('${value}' AS DOUBLE)`;
    case "bigint":
      return `CAST('${value}' AS ${BigInt.asIntN(64, value) === value ? "BIGINT" : "UBIGINT"})`;
    default:
      return String(value);
  }
}

function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
