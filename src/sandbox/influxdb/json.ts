/** JSON bodies of requests. */
import { errorText } from "../../lib/fault.ts";
import { plainError } from "./answer.ts";

/** An object, or `Refused`. */
export function parseJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw plainError(400, `serde json error: ${errorText(error)}`);
  }
  if (!isObject(value)) throw plainError(400, "serde json error: invalid type, expected a map");
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
