/** Which server answers, from its answer to /ping. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TimedAnswer } from "../../../src/doctor/influxdb-http.ts";
import { readPing, type Ping } from "../../../src/doctor/influxdb-server.ts";

function ping(status: number, headers: TimedAnswer["headers"], body: unknown = ""): Ping {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const rest = {
    retryAfter: undefined,
    location: undefined,
    isWhole: true,
    askedMs: 0,
    answeredMs: 0,
    tookMs: 0,
  };
  return readPing({ status, headers, body: text, ...rest });
}

function serverOf(found: Ping): [product: string, edition: string | undefined, version: string | undefined] {
  assert.ok(found.kind === "server", JSON.stringify(found));
  return [found.server.product, found.server.edition, found.server.version?.join(".")];
}

function codeOf(found: Ping): string {
  assert.ok(found.kind === "other", JSON.stringify(found));
  return found.fault.code;
}

test("Core and Enterprise are known by their name, or by their build alone", () => {
  const body = { product_name: "InfluxDB 3 Core", version: "3.10.0" };
  const headers = { "x-influxdb-build": "Core", "x-influxdb-version": "3.10.0" };
  assert.deepEqual(serverOf(ping(200, headers, body)), ["InfluxDB 3 Core", "core", "3.10.0"]);
  assert.deepEqual(serverOf(ping(200, {}, body)), ["InfluxDB 3 Core", "core", "3.10.0"]);
  const enterprise = { "x-influxdb-build": "Enterprise", "x-influxdb-version": "3.12.2" };
  assert.deepEqual(serverOf(ping(200, enterprise)), ["InfluxDB 3 Enterprise", "enterprise", "3.12.2"]);
});

test("what names itself otherwise is shown as it does, with nothing that a terminal obeys", () => {
  const cloud = { "x-influxdb-build": "Cloud2\u001b[31m", "x-influxdb-version": "20261101.1" };
  const found = ping(204, cloud);
  assert.deepEqual(serverOf(found), ["InfluxDB (Cloud2 [31m)", undefined, undefined]);
  assert.ok(found.kind === "server" && found.server.versionText === "20261101.1");
});

test("InfluxDB 1 and 2 are too old, whatever else they would answer", () => {
  for (const version of ["v2.7.11", "1.8.10"]) {
    const found = ping(204, { "x-influxdb-build": "OSS", "x-influxdb-version": version });
    assert.equal(codeOf(found), "influxdb_too_old");
  }
});

test("a refusal tells nothing of the version, but may tell that it is an InfluxDB 3", () => {
  assert.deepEqual(ping(401, { "cluster-uuid": "x" }), { kind: "needs_token", isInfluxdb3: true });
  assert.deepEqual(ping(403, {}), { kind: "needs_token", isInfluxdb3: false });
  assert.deepEqual(ping(400, {}, '{"error": "malformed"}'), { kind: "needs_token", isInfluxdb3: false });
});

test("a path that is not there tells nothing, for Clustered and Cloud need not have it", () => {
  assert.deepEqual(ping(404, {}, "Not found"), { kind: "untold", status: 404 });
  assert.deepEqual(ping(404, {}, "<html>nginx</html>"), { kind: "untold", status: 404 });
  assert.deepEqual(ping(204, {}), { kind: "untold", status: 204 });
});

test("pages, redirects and proxies are no InfluxDB", () => {
  assert.equal(codeOf(ping(200, {}, "<html><title>Log in</title></html>")), "write_answer_not_influxdb");
  assert.equal(codeOf(ping(200, {}, "OK")), "write_answer_not_influxdb");
  assert.equal(codeOf(ping(302, {})), "write_redirected");
  assert.equal(codeOf(ping(502, {})), "write_server_error");
  assert.equal(codeOf(ping(400, {}, "<html>plain HTTP to HTTPS port</html>")), "write_answer_not_influxdb");
});
