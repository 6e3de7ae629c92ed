import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { changesOf, needsRestartFault, reloadable } from "../../../src/app/reload.ts";
import type { Config } from "../../../src/config/config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { temporaryFolder } from "../../support/wait.ts";

const nothing = { added: [], changed: [], removed: [], delivery: false, atRestart: [] };

/** Reads what `text` says, as the daemon does. */
async function reader(t: TestContext): Promise<(text: string) => Config> {
  const folder = await temporaryFolder("reload");
  t.after(() => folder.remove());
  const file = join(folder.path, "flightline.toml");
  return (text) => {
    writeFileSync(file, text);
    const loaded = loadConfig({ file, env: {} });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    return loaded.config;
  };
}

const full = `
  node = "barn"
  [[mqtt]]
  name = "main"
  url = "mqtts://broker.example"
  username = "u"
  password = "p"
  server_name = "broker"
  [[mqtt]]
  name = "second"
  url = "mqtt://127.0.0.1:1884"
  client_id = "one-of-ours"
  [journal]
  dir = "/var/lib/somewhere"
  [influxdb]
  url = "http://127.0.0.1:8181"
  database = "lorawan"
  token = "secret"
  [tags]
  site = "north"
  [telemetry]
  device_tags = ["building"]
  [[profile]]
  match = { profile = "EM300-TH" }
  rename = { t = "temperature" }
  drop = ["junk"]
  [[route]]
  match = { application = "barns" }
  database = "barns"
  [clock]
  ntp = "ignore"
  [log]
  level = "info"
`;

describe("what a new configuration changes", () => {
  test("nothing, when the file says what it said", async (t) => {
    const read = await reader(t);
    assert.deepEqual(changesOf(read(full), read(full)), nothing);
    assert.deepEqual(changesOf(read(full), read(`# a comment\n${full}`)), nothing);
  });

  const deliveries: readonly (readonly [what: string, from: string, to: string])[] = [
    ["the database's token", 'token = "secret"', 'token = "another"'],
    ["a tag", 'site = "north"', 'site = "south"'],
    ["a device tag", '["building"]', '["building", "floor"]'],
    ["a rename", 't = "temperature"', 't = "temp"'],
    ["what is dropped", '["junk"]', '["rubbish"]'],
    ["a route", 'database = "barns"', 'database = "stables"'],
    ["our name", 'node = "barn"', 'node = "stable"'],
    ["the interval of our rows", "[telemetry]", '[telemetry]\nnode_interval = "10m"'],
  ];
  for (const [what, from, to] of deliveries) {
    test(`${what}: what reads the journal`, async (t) => {
      const read = await reader(t);
      assert.ok(full.includes(from));
      const { delivery, atRestart } = changesOf(read(full), read(full.replace(from, to)));
      assert.deepEqual([delivery, atRestart], [true, []]);
    });
  }

  test("sources that are added, changed and removed, by their names; a password is a change", async (t) => {
    const read = await reader(t);
    const after = read(
      full.replace('password = "p"', 'password = "q"').replace('name = "second"', 'name = "third"'),
    );
    const { added, changed, removed, delivery } = changesOf(read(full), after);
    assert.deepEqual(
      [added.map(({ name }) => name), changed.map(({ name }) => name), removed],
      [["third"], ["main"], ["second"]],
    );
    assert.equal(changed[0]?.password?.reveal(), "q");
    assert.equal(delivery, false);
  });

  test("sources in another order change nothing", async (t) => {
    const read = await reader(t);
    const before = read(full);
    assert.deepEqual(changesOf(before, { ...before, mqtt: before.mqtt.toReversed() }), nothing);
  });

  test("what only a restart can change is named, and stays as it was", async (t) => {
    const read = await reader(t);
    const before = read(full);
    const after = read(
      full
        .replace("/var/lib/somewhere", "/var/lib/elsewhere")
        .replace('ntp = "ignore"', 'ntp = "require"')
        .replace('level = "info"', 'level = "debug"')
        .replace('site = "north"', 'site = "south"'),
    );
    const { atRestart, delivery } = changesOf(before, after);
    assert.deepEqual([atRestart, delivery], [["journal", "clock", "log"], true]);
    const present = reloadable(before, after);
    assert.deepEqual(
      [present.journal, present.clock, present.log],
      [before.journal, before.clock, before.log],
    );
    assert.equal(present.telemetry, after.telemetry);
    // It goes on being said for as long as it is so.
    assert.deepEqual(changesOf(present, after).atRestart, ["journal", "clock", "log"]);
    const { code, message, disposition } = needsRestartFault(["journal", "clock"]);
    assert.deepEqual([code, disposition], ["reload_incomplete", "drop"]);
    assert.match(message, /^\[journal\], \[clock\] changed/);
  });
});
