/** The JSON Schema of the configuration file, for editors; made from the schemas that `run` uses. Pure. */
import { z } from "zod";
import { configSchema } from "./config.ts";

/** What a string with a variable in it looks like: only loading it can tell whether it is right. */
const variablePattern = "\\$\\{";

/** Draft 2020-12. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, { target: "draft-2020-12", io: "input" });
  const { $schema, ...rest } = allowVariables(schema) as Record<string, unknown>;
  return { $schema, title: "flightline.toml", description: "The configuration of Flightline", ...rest };
}

function allowVariables(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(allowVariables);
  if (typeof node !== "object" || node === null) return node;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === "pattern" && typeof value === "string") copy[key] = `${value}|${variablePattern}`;
    else if (key === "enum") copy["anyOf"] = [{ enum: value as unknown }, { pattern: variablePattern }];
    else copy[key] = key === "default" ? value : allowVariables(value);
  }
  return copy;
}
