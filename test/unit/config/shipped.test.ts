import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "smol-toml";
import { configSchema } from "../../../src/config/config.ts";
import { configJsonSchema } from "../../../src/config/json-schema.ts";
import { allKeyPaths } from "../../../src/config/schema-tree.ts";
import { showPath } from "../../../src/config/tree.ts";
import { complaints, loadText } from "./fixture.ts";

const shippedDirectory = new URL("../../../config/", import.meta.url);
const shipped = readFileSync(new URL("flightline.toml", shippedDirectory), "utf8");

/** Keys whose line is an example: they have no default. */
const examples =
  /^#(?:node|username|password|password_file|ca_file|cert_file|key_file|server_name|verify|client_id|max_size|token|token_file|query_token|query_token_file|flight_url|proxy|proxy_username|proxy_password|proxy_password_file|retention|site|region) = /;

test("the shipped file is right as it is", () => {
  const result = loadText(shipped);
  assert.deepEqual(complaints(result), []);
});

test("every default in the shipped file is the default", () => {
  const asShipped = loadText(shipped);
  const lines = shipped.split("\n");
  const inExample = linesOfExamples(lines);
  const defaults = lines.filter(
    (line) => /^#\w+ = /.test(line) && !examples.test(line) && !inExample.has(line),
  );
  assert.ok(defaults.length >= 20, `only ${defaults.length} defaults`);
  const uncommented = lines.map((line) => (defaults.includes(line) ? line.slice(1) : line)).join("\n");
  const withDefaults = loadText(uncommented);
  assert.deepEqual(complaints(withDefaults), []);
  assert.ok(asShipped.ok && withDefaults.ok);
  assert.deepEqual(withDefaults.config, asShipped.config);
});

test("the tables that are only examples are right when their # is removed", () => {
  const lines = shipped.split("\n");
  const inExample = linesOfExamples(lines);
  assert.ok(inExample.size >= 15, `only ${inExample.size} lines`);
  const uncommented = lines.map((line) => {
    // One of the two can be given.
    return inExample.has(line) && !line.startsWith("#token_file") ? line.slice(1) : line;
  });
  const loaded = loadText(uncommented.join("\n"), { HILLFARM_TOKEN: "secret" });
  assert.deepEqual(complaints(loaded), []);
  assert.ok(loaded.ok);
  assert.deepEqual([loaded.config.routes.length, loaded.config.telemetry.profiles.length], [1, 1]);
});

/** Keys and headers of tables that have a # before their header. */
function linesOfExamples(lines: readonly string[]): Set<string> {
  const found = new Set<string>();
  let isExample = false;
  for (const line of lines) {
    if (/^#?\[/.test(line)) isExample = line.startsWith("#");
    if (isExample && (line.startsWith("#[") || /^#\w+ = /.test(line))) found.add(line);
  }
  return found;
}

test("every key of the schema is in the shipped file, in its table, and no other", () => {
  const written = new Set<string>();
  let section = "";
  for (const line of shipped.split("\n")) {
    const header = /^#?\[+([a-z]+)\]+$/.exec(line);
    if (header?.[1] !== undefined) section = header[1];
    const key = /^#?([a-z_]+) = /.exec(line)?.[1];
    if (key === undefined || section === "tags") continue;
    written.add(section === "" ? key : `${section}.${key}`);
    if (key !== "match") continue;
    const { match } = parse(line.slice(1)) as { readonly match: object };
    for (const inner of Object.keys(match)) written.add(`${section}.match.${inner}`);
  }
  const known = allKeyPaths(configSchema)
    .map((path) => showPath(path.filter((step) => step !== 0)))
    .filter((key) => key.includes(".") || key === "node");
  assert.ok(known.length > 40, `only ${known.length} keys`);
  assert.deepEqual([...written].toSorted(), known.toSorted());
});

test("the committed JSON Schema is the one that the schemas give", () => {
  const committed: unknown = JSON.parse(
    readFileSync(new URL("flightline.schema.json", shippedDirectory), "utf8"),
  );
  assert.deepEqual(
    committed,
    configJsonSchema(),
    "run: flightline config --schema > config/flightline.schema.json",
  );
});

test("the JSON Schema knows every key, its default, and takes variables where it has a pattern", () => {
  const text = JSON.stringify(configJsonSchema());
  for (const path of allKeyPaths(configSchema)) {
    const key = path.at(-1);
    if (typeof key === "string") assert.ok(text.includes(`"${key}":`), key);
  }
  const patterns = [...text.matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g)].map(([, pattern]) => pattern ?? "");
  assert.ok(patterns.length > 15);
  for (const pattern of patterns) {
    const regex = new RegExp(JSON.parse(`"${pattern}"`) as string, "u");
    assert.match("${ANYTHING}", regex);
  }
});
