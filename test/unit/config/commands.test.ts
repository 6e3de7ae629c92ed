import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkCommand } from "../../../src/cli/check.ts";
import { configCommand } from "../../../src/cli/config.ts";
import type { Io } from "../../../src/cli/io.ts";
import { ConfigDirectory, minimal } from "./fixture.ts";

function recordingIo() {
  const written: string[] = [];
  const io: Io = {
    out: (text) => written.push(text),
    err: (text) => assert.fail(`unexpected on standard error: ${text}`),
    env: {},
    isTerminal: false,
    signal: new AbortController().signal,
  };
  return { io, text: () => written.join("") };
}

test("check says ok in one line and ends with 0", async () => {
  using directory = new ConfigDirectory();
  directory.write({ "flightline.toml": minimal, "conf.d/10.toml": '[[mqtt]]\nurl = "mqtt://b"\n' });
  const { io, text } = recordingIo();
  assert.equal(await checkCommand({ config: directory.main, json: false }, io), 0);
  const what = "2 sources, database lorawan at http://127.0.0.1:8181, 1 file of conf.d";
  assert.equal(text(), `${directory.main}: ok (${what})\n`);
});

test("check prints each problem as FILE:LINE: KEY: message with its hint, and ends with 78", async () => {
  using directory = new ConfigDirectory();
  directory.write({ "flightline.toml": `databse = 1\n${minimal}gzip = 1\n` });
  const { io, text } = recordingIo();
  assert.equal(await checkCommand({ config: directory.main, json: false }, io), 78);
  const file = directory.main;
  assert.equal(
    text(),
    `${file}:1: databse: unknown key\n    known here: node, mqtt, journal, influxdb, route, tags, telemetry, profile, clock, log\n` +
      `${file}:8: influxdb.gzip: expected true or false, found 1\n`,
  );
});

test("check --json is one line of JSON either way", async () => {
  using directory = new ConfigDirectory();
  directory.write({ "flightline.toml": minimal });
  const right = recordingIo();
  assert.equal(await checkCommand({ config: directory.main, json: true }, right.io), 0);
  assert.deepEqual(JSON.parse(right.text()), {
    ok: true,
    files: [directory.main],
    sources: [{ name: "mqtt", url: "mqtt://127.0.0.1:1883" }],
  });
  const missing = recordingIo();
  const file = join(directory.path, "other.toml");
  assert.equal(await checkCommand({ config: file, json: true }, missing.io), 78);
  const hint = `make one with: flightline config > ${file}`;
  assert.deepEqual(JSON.parse(missing.text()), {
    ok: false,
    problems: [{ file, key: "", message: "does not exist", hint }],
  });
});

test("config prints the shipped file, and the schema when asked", async () => {
  const file = recordingIo();
  assert.equal(await configCommand({ schema: false }, file.io), 0);
  assert.equal(
    file.text(),
    readFileSync(new URL("../../../config/flightline.toml", import.meta.url), "utf8"),
  );
  const schema = recordingIo();
  assert.equal(await configCommand({ schema: true }, schema.io), 0);
  const parsed = JSON.parse(schema.text()) as { readonly $schema: string };
  assert.equal(parsed.$schema, "https://json-schema.org/draft/2020-12/schema");
});
