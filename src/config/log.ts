/** `[log]`: how the daemon tells what it does. */
import { oneOf, table } from "../lib/schema.ts";

export interface LogConfig {
  /** "auto": pretty on a terminal, plain elsewhere. */
  readonly format: "auto" | "plain" | "pretty" | "json";
  readonly level: "debug" | "info" | "warn" | "error";
}

export const logSchema = table({
  format: oneOf(
    ["auto", "plain", "pretty", "json"],
    "auto",
    "auto is pretty on a terminal and plain elsewhere",
  ),
  level: oneOf(["debug", "info", "warn", "error"], "info", "The least important line that is still written"),
}).transform((log): LogConfig => log);
