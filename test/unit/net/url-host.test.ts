import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnose } from "../../../src/net/diagnose.ts";
import { hostOf, urlHost, urlHostAndPort } from "../../../src/net/url-host.ts";

test("the host is what DNS has, in every scheme; IPv6 is without brackets", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["mqtt://bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["mqtts://bücher.example:8884", "xn--bcher-kva.example", "xn--bcher-kva.example:8884"],
    ["https://bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["mqtt://a:b@[::1]:1884/", "::1", "[::1]:1884"],
    ["http://10.0.0.1:8181", "10.0.0.1", "10.0.0.1:8181"],
  ];
  for (const [url, host, hostAndPort] of rows) {
    assert.equal(urlHost(url), host);
    assert.equal(urlHostAndPort(url), hostAndPort);
  }
});

test("a connection is made to the proxy where there is one", () => {
  const url = "https://influx.example:8181";
  assert.equal(hostOf({ url }), "influx.example");
  assert.equal(hostOf({ url, proxy: { url: "http://[::1]:3128" } }), "::1");
});

test("a fault names the host as it was looked up", () => {
  const error = Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
  const { message, hint } = diagnose(error, { target: "broker", url: "mqtt://bücher.example" });
  assert.match(`${message} ${hint}`, /xn--bcher-kva\.example/);
  assert.doesNotMatch(`${message} ${hint}`, /%/);
});
