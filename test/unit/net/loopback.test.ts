import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback } from "../../../src/net/loopback.ts";
import { urlHost } from "../../../src/net/url-host.ts";

test("names and addresses of this machine are its own, however a URL writes them, and their neighbours are not", () => {
  const own =
    "localhost LOCALHOST broker.localhost 127.0.0.1 127.255.255.255 ::1 [::1] ::ffff:127.0.0.1 ::FFFF:7f00:1";
  const others =
    "localhost.example notlocalhost 127.example 127 126.0.0.1 128.0.0.1 10.127.0.1 ::2 ::ffff:126.0.0.1 ::ffff:7e00:1 ::127.0.0.1";
  for (const host of own.split(" ")) assert.ok(isLoopback(host), host);
  for (const host of others.split(" ")) assert.ok(!isLoopback(host), host);
  for (const url of ["http://127.1", "http://[::ffff:127.0.0.1]", "mqtt://[0:0:0:0:0:0:0:1]"]) {
    assert.ok(isLoopback(urlHost(url)), url);
  }
});
