import assert from "node:assert/strict";
import { test } from "node:test";
import { complaints, loadText, minimal } from "../config/fixture.ts";

const proxy = 'proxy = "http://proxy.example:3128/"\n';

test("a proxy, its user name and its password reach writes, queries and routes", () => {
  const route = '[[route]]\nmatch = { tenant = "a" }\ndatabase = "b"\n';
  const result = loadText(`${minimal}${proxy}proxy_username = "u"\nproxy_password = "p w"\n${route}`);
  assert.ok(result.ok, complaints(result).join("\n"));
  for (const influx of [result.config.influx, result.config.routes[0]?.influx]) {
    assert.equal(influx?.proxy?.url, "http://proxy.example:3128");
    assert.equal(influx.proxy.setting, "influxdb.proxy");
    assert.deepEqual([influx.proxy.username, influx.proxy.password?.reveal()], ["u", "p w"]);
  }
  const without = loadText(minimal);
  assert.ok(without.ok && without.config.influx.proxy === undefined);
});

test("keys of a proxy that do not go together are named", () => {
  const rows: readonly (readonly [string, string])[] = [
    ['proxy_username = "u"\n', "7 influxdb.proxy_username has no effect without proxy"],
    ['proxy_password = "p"\n', "7 influxdb.proxy_password has no effect without proxy"],
    [
      `${proxy}proxy_password = "p"\n`,
      "8 influxdb.proxy_password needs proxy_username, whose password this is",
    ],
    [
      `${proxy}proxy_username = "a:b"\n`,
      '8 influxdb.proxy_username expected a user name on one line and without a colon, found "a:b"',
    ],
    [
      'proxy = "socks5://proxy"\n',
      '7 influxdb.proxy expected a URL that begins with http:// and names a host, found "socks5://proxy"',
    ],
    [
      'proxy = "http://proxy/path"\n',
      '7 influxdb.proxy expected a URL without a path, found "http://proxy/path"',
    ],
  ];
  for (const [text, expected] of rows) assert.deepEqual(complaints(loadText(minimal + text)), [expected]);
});
