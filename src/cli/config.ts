/** `flightline config`: the commented configuration, or the JSON Schema for editors. */
import { readFile } from "node:fs/promises";
import { configJsonSchema } from "../config/json-schema.ts";
import { exitCode, type Run } from "./io.ts";

/** src/cli and dist/cli are equally deep in the package. */
const shippedConfig = new URL("../../config/flightline.toml", import.meta.url);

export const configCommand: Run<{ schema: boolean }> = async ({ schema }, io) => {
  io.out(schema ? `${JSON.stringify(configJsonSchema(), null, 2)}\n` : await readFile(shippedConfig, "utf8"));
  return exitCode.done;
};
