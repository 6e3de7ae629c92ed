/**
 * InfluxDB 1.6, as Debian has it, reads our line protocol as `test/support/line-protocol-parser.ts` does in its
 * "v1" dialect, and the unit tests hold that parser against the points. Not run by default: with
 * FLIGHTLINE_INTEROP=1 the package is downloaded by apt into a temporary folder, unpacked there (nothing is
 * installed, no service started) and run on a free loopback port.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import * as fc from "fast-check";
import { encodeLine } from "../../src/telemetry/line-protocol.ts";
import type { Field, Point } from "../../src/telemetry/point.ts";
import { parseLineProtocol } from "../support/line-protocol-parser.ts";
import type { ParsedLine } from "../support/line-protocol-parser.ts";
import { temporaryFolder } from "../support/wait.ts";

const run = promisify(execFile);

const skip =
  process.env["FLIGHTLINE_INTEROP"] === "1"
    ? false
    : "SKIPPED: set FLIGHTLINE_INTEROP=1 to try Debian's influxdb";

const baseNs = 1_749_818_692_653_481_123n;

const text = fc.string({
  unit: fc.constantFrom(
    "\\",
    ",",
    "=",
    " ",
    '"',
    "\n",
    "\t",
    "#",
    "'",
    "a",
    "B",
    "é",
    "😀",
    "\ud800",
    "\u0085",
  ),
  maxLength: 7,
});
const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ name: text, type: fc.constant("float" as const), value: fc.double() }),
  fc.record({ name: text, type: fc.constant("integer" as const), value: fc.maxSafeInteger() }),
  fc.record({ name: text, type: fc.constant("string" as const), value: text }),
  fc.record({ name: text, type: fc.constant("boolean" as const), value: fc.boolean() }),
);
const tags = fc.array(fc.record({ name: text, value: text }), { maxLength: 4 });
const fields = fc.array(field, { minLength: 1, maxLength: 5 });

/** One table each, so that random names do not meet with two types. */
function awkwardPoints(): Point[] {
  const parts = fc.sample(fc.tuple(tags, fields), { numRuns: 300, seed: 97 });
  return parts.map(([tags, fields], index) => ({
    table: `t${index}`,
    tags,
    fields: [...fields, { name: "anchor", type: "float", value: 1 }],
    timeNs: baseNs + BigInt(index),
  }));
}

async function unpackInfluxd(folder: string): Promise<string> {
  await run("apt-get", ["download", "influxdb"], { cwd: folder });
  const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"));
  assert.ok(archive !== undefined, "apt-get download left no package");
  await run("dpkg-deb", ["--extract", archive, "root"], { cwd: folder });
  return join(folder, "root/usr/bin/influxd");
}

async function writeConfig(folder: string): Promise<string> {
  const path = join(folder, "influxdb.conf");
  const lines = [
    "reporting-disabled = true",
    'bind-address = "127.0.0.1:0"',
    `[meta]\ndir = "${folder}/meta"`,
    `[data]\ndir = "${folder}/data"\nwal-dir = "${folder}/wal"`,
    '[http]\nbind-address = "127.0.0.1:0"\nlog-enabled = false',
    "[monitor]\nstore-enabled = false",
  ];
  await writeFile(path, lines.join("\n"));
  return path;
}

/** The address that the log of `influxd` names. */
async function listeningUrl(child: ChildProcess): Promise<string> {
  assert.ok(child.stderr !== null);
  const seen: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    seen.push(line);
    const port = /Listening on HTTP.*addr=127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port !== undefined) return `http://127.0.0.1:${port}`;
  }
  return assert.fail(`influxd ended:\n${seen.join("\n")}`);
}

interface Series {
  readonly name: string;
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];
}

async function query(url: string, statement: string): Promise<(readonly Series[])[]> {
  const response = await fetch(`${url}/query`, {
    method: "POST",
    body: new URLSearchParams({ db: "flightline", q: statement }),
  });
  const answer = (await response.json()) as { results: { series?: readonly Series[]; error?: string }[] };
  assert.equal(response.status, 200, JSON.stringify(answer));
  for (const result of answer.results) assert.equal(result.error, undefined);
  return answer.results.map((result) => result.series ?? []);
}

/** Name → value of everything in a line, as `SELECT *` gives it. */
function columnsOf(line: ParsedLine): Map<string, unknown> {
  const fields = line.fields.map(([name, field]) => [name, field.value] as const);
  return new Map<string, unknown>([...line.tags, ...fields]);
}

test("InfluxDB 1.6 stores every awkward point as it was meant", { skip, timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder("influxdb1");
  const program = await unpackInfluxd(folder.path);
  const child = spawn(program, ["-config", await writeConfig(folder.path)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    const url = await listeningUrl(child);
    child.stderr?.resume();
    await query(url, "CREATE DATABASE flightline");
    const lines = awkwardPoints().map(
      (point) => encodeLine(point) ?? assert.fail("the anchor is always written"),
    );
    const odd = encodeLine({
      table: 'a b,c=d"e\\',
      tags: [],
      fields: [{ name: "v", type: "float", value: 1 }],
      timeNs: baseNs,
    });
    const body = [...lines, odd].join("\n");
    const written = await fetch(`${url}/write?db=flightline&precision=ns`, { method: "POST", body });
    assert.equal(written.status, 204, await written.text());

    const expected = parseLineProtocol(body, "v1");
    assert.equal(expected.length, 301);
    const names = (await query(url, "SHOW MEASUREMENTS"))[0]?.[0]?.values.flat();
    assert.deepEqual(new Set(names), new Set(expected.map((line) => line.table)));
    const answers = await query(url, lines.map((_, index) => `SELECT * FROM t${index}`).join(";"));
    const types = await query(url, lines.map((_, index) => `SHOW FIELD KEYS FROM t${index}`).join(";"));
    for (const [index, line] of expected.slice(0, -1).entries()) {
      compare(line, answers[index]?.[0], types[index]?.[0]);
    }
  } finally {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
});

function compare(line: ParsedLine, answer: Series | undefined, types: Series | undefined): void {
  assert.ok(answer !== undefined && types !== undefined, line.table);
  assert.equal(answer.values.length, 1, line.table);
  const [row = []] = answer.values;
  const found = new Map(answer.columns.map((name, column) => [name, row[column]]));
  // RFC 3339 with nine digits: exact, where a JSON number would not be.
  const fraction = String(Number((line.timeNs ?? 0n) % 1_000_000_000n))
    .padStart(9, "0")
    .replace(/0+$/, "");
  assert.equal(found.get("time"), `2025-06-13T12:44:52.${fraction}Z`);
  found.delete("time");
  assert.deepEqual(found, columnsOf(line), line.table);
  assert.deepEqual(
    new Map(types.values.map(([name, type]) => [name, type])),
    new Map(line.fields.map(([name, field]) => [name, field.type])),
    line.table,
  );
}
