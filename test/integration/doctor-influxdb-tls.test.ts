/** What is said of TLS on the way to an InfluxDB: who issued the certificate, until when, and what is wrong with it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test, type TestContext } from "node:test";
import type { Finding } from "../../src/doctor/finding.ts";
import { examineFlight } from "../../src/doctor/flight.ts";
import { examineInfluxdb } from "../../src/doctor/influxdb.ts";
import type { InfluxConfig } from "../../src/influx/config.ts";
import type { TlsConfig } from "../../src/net/config.ts";
import { startInfluxStandIn, type InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import { configOf as anyConfigOf, foundBy } from "../support/doctor-influxdb-stage.ts";
import { flushIntervalMs } from "../support/stand-in.ts";
import { listening } from "../support/tcp-server.ts";

const dir = mkdtempSync(join(tmpdir(), "flightline-doctor-"));
after(() => {
  rmSync(dir, { recursive: true });
});

interface Pair {
  /** Its own authority. */
  readonly caFile: string;
  readonly cert: string;
  readonly key: string;
}

function certificate(days: number): Pair {
  const file = (end: string): string => join(dir, `${days}.${end}`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("key")];
  const names = ["-subj", "/CN=influx.example", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const args = ["req", "-x509", ...key, "-out", file("pem"), "-days", String(days), ...names];
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  return {
    caFile: file("pem"),
    cert: readFileSync(file("pem"), "utf8"),
    key: readFileSync(file("key"), "utf8"),
  };
}

const [lasting, short] = [certificate(15), certificate(1)];

async function standIn(t: TestContext, { cert, key }: Pair): Promise<InfluxStandIn> {
  const server = await startInfluxStandIn({ flushIntervalMs, tls: { cert, key } });
  t.after(() => server.stop());
  return server;
}

/** With that TLS. */
function configOf(url: string, tls: TlsConfig, more: Partial<InfluxConfig> = {}): InfluxConfig {
  return anyConfigOf(url, { tls, ...more });
}

type Examine = typeof examineInfluxdb | typeof examineFlight;

async function told(examine: Examine, config: InfluxConfig): Promise<(check: string) => Finding> {
  return (await foundBy(examine("main", config), config)).of;
}

describe("the way to where writes go", () => {
  test("the issuer and the last day of a certificate are told, and one that was made for less than two weeks is fine", async (t) => {
    const good = await standIn(t, lasting);
    const of = await told(examineInfluxdb, configOf(good.url, { verify: true, caFile: lasting.caFile }));
    assert.equal(of("tls").severity, "ok");
    assert.match(
      of("tls").text,
      /^TLSv1\.3, certificate issued by CN=influx\.example, valid until \d{4}-\d\d-\d\d$/,
    );
    assert.equal(of("tls").figures?.["daysLeft"], 14);
    assert.deepEqual([of("alpn").severity, of("alpn").figures], ["ok", { alpn: "http/1.1" }]);
    assert.equal(of("round_trip").severity, "ok");
    const mesh = await standIn(t, short);
    const fresh = await told(examineInfluxdb, configOf(mesh.url, { verify: true, caFile: short.caFile }));
    assert.deepEqual([fresh("tls").severity, fresh("tls").figures?.["daysLeft"]], ["ok", 0]);
  });

  test("accepting any certificate is a warning that says what else would happen", async (t) => {
    const { url } = await standIn(t, lasting);
    const of = await told(examineInfluxdb, configOf(url, { verify: false }));
    assert.equal(of("tls").severity, "warning");
    assert.match(of("tls").text, /this one would be refused \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
    assert.match(of("tls").hint ?? "", /ca_file/);
    assert.equal(of("server").severity, "ok");
  });

  test("a certificate that is not trusted is the failure, and nothing after it is tried", async (t) => {
    const server = await standIn(t, lasting);
    const of = await told(examineInfluxdb, configOf(server.url, { verify: true }));
    assert.deepEqual([of("tls").severity, of("tls").code], ["failure", "tls_self_signed"]);
    assert.equal(of("write").text, "not tried: no connection");
    // The probe's own question on /health is inside of TLS, without our token.
    assert.equal(server.counters.writes, 0);
  });

  test("TLS that is spoken to in plaintext is told as such", async (t) => {
    const { url } = await standIn(t, lasting);
    const of = await told(examineInfluxdb, configOf(url.replace("https:", "http:"), { verify: true }));
    assert.deepEqual([of("tls").severity, of("tls").code], ["failure", "server_is_tls"]);
    assert.match(of("tls").hint ?? "", /https:\/\//);
  });

  test("a missing file of ours is told where TLS is", async (t) => {
    const { url } = await standIn(t, lasting);
    const of = await told(examineInfluxdb, configOf(url, { verify: true, caFile: join(dir, "none.pem") }));
    assert.deepEqual([of("tls").severity, of("tls").code], ["failure", "tls_file_unreadable"]);
  });

  test("behind a proxy the certificate is seen through its tunnel", async (t) => {
    const { url } = await standIn(t, lasting);
    const proxy = { url: (await connectProxy(t)).url, setting: "influxdb.proxy" };
    const good = await told(
      examineInfluxdb,
      configOf(url, { verify: true, caFile: lasting.caFile }, { proxy }),
    );
    assert.match(good("tls").text, /issued by CN=influx\.example/);
    assert.equal(good("server").severity, "ok");
    const bad = await told(examineInfluxdb, configOf(url, { verify: true }, { proxy }));
    assert.deepEqual([bad("proxy").severity, bad("tls").code], ["ok", "tls_self_signed"]);
  });
});

describe("the way to where queries go", () => {
  test("HTTP/2 is chosen, and an address of its own is looked at", async (t) => {
    const { url } = await standIn(t, lasting);
    const tls = { verify: true, caFile: lasting.caFile };
    const same = await told(examineFlight, configOf(url, tls));
    assert.deepEqual(same("alpn").figures, { alpn: "h2" });
    assert.throws(() => same("name"), /name in/);
    const flightUrl = url.replace("127.0.0.1", "localhost");
    const of = await told(examineFlight, configOf(url, tls, { flightUrl }));
    assert.match(of("name").text, /^localhost: \d address/);
    assert.match(of("tls").text, /issued by/);
  });

  test("a server that speaks HTTP/1.1 only fails where the protocol is chosen", async (t) => {
    const { cert, key } = lasting;
    const http1 = createServer({ cert, key }, (_request, response) => void response.end("OK"));
    const { port } = await listening(t, http1);
    const flightUrl = `https://127.0.0.1:${port}`;
    const tls = { verify: true, caFile: lasting.caFile };
    const of = await told(examineFlight, configOf("https://127.0.0.1:1", tls, { flightUrl }));
    assert.deepEqual([of("alpn").severity, of("alpn").code], ["failure", "tls_no_alpn_h2"]);
    assert.equal(of("tls").severity, "ok");
    assert.equal(of("query").text, "not tried: no connection");
  });
});
