import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf } from "../../../src/app/reload.ts";
import type { Config } from "../../../src/config/config.ts";
import { complaints, ConfigDirectory, loadText } from "../config/fixture.ts";

const influxdb = '[influxdb]\nurl = "http://127.0.0.1:8181"\ndatabase = "a"\n';
const broker = '[[mqtt]]\nurl = "mqtt://broker"\n';
const proxy = 'proxy = "http://proxy.example:3128/"\n';
const account = 'proxy_username = "u"\nproxy_password = "p w"\n';

function configOf(text: string): Config {
  const result = loadText(text + influxdb);
  assert.ok(result.ok, complaints(result).join("\n"));
  return result.config;
}

test("each source has a proxy of its own, whose key faults call as they do the other keys: mqtt.url", () => {
  const named = `[[mqtt]]\nname = "farm"\nurl = "mqtts://farm"\n${proxy}`;
  const { mqtt, influx } = configOf(`${broker}${proxy}${account}${named}${broker}`);
  assert.deepEqual(
    mqtt.map((source) => [source.proxy?.url, source.proxy?.setting]),
    [
      ["http://proxy.example:3128", "mqtt.proxy"],
      ["http://proxy.example:3128", "mqtt.proxy"],
      [undefined, undefined],
    ],
  );
  assert.deepEqual([mqtt[0]?.proxy?.username, mqtt[0]?.proxy?.password?.reveal()], ["u", "p w"]);
  assert.ok(mqtt.every((source) => "proxy" in source === (source.proxy !== undefined)));
  assert.equal(influx.proxy, undefined);
});

test("the password comes from a file too", () => {
  using directory = new ConfigDirectory();
  const keys = 'proxy_username = "u"\nproxy_password_file = "secret"\n';
  directory.write({ "flightline.toml": broker + proxy + keys + influxdb, secret: "from file\n" });
  const result = directory.load();
  assert.ok(result.ok, complaints(result).join("\n"));
  assert.equal(result.config.mqtt[0]?.proxy?.password?.reveal(), "from file");
});

test("keys of a proxy that do not go together are named, in their table", () => {
  const rows: readonly (readonly [string, string])[] = [
    ['proxy_username = "u"\n', "3 mqtt[0].proxy_username has no effect without proxy"],
    [
      `${proxy}proxy_password = "p"\n`,
      "4 mqtt[0].proxy_password needs proxy_username, whose password this is",
    ],
    [
      'proxy = "https://proxy"\n',
      '3 mqtt[0].proxy expected a URL that begins with http:// and names a host, found "https://proxy"',
    ],
  ];
  for (const [keys, expected] of rows) {
    assert.deepEqual(complaints(loadText(broker + keys + influxdb)), [expected]);
  }
});

test("a source whose proxy, or only the password for it, is another is started anew", () => {
  const before = configOf(broker + proxy + account);
  const changed = (text: string): string[] =>
    changesOf(before, configOf(text)).changed.map(({ name }) => name);
  assert.deepEqual(changed(broker + proxy + account), []);
  assert.deepEqual(changed(broker), ["mqtt"]);
  assert.deepEqual(changed(broker + proxy), ["mqtt"]);
  assert.deepEqual(changed(broker + proxy + account.replace("p w", "p x")), ["mqtt"]);
});
