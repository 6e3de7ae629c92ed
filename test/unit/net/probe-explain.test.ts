import assert from "node:assert/strict";
import { test } from "node:test";
import type { Peer } from "../../../src/net/diagnose.ts";
import { explain } from "../../../src/net/probe-explain.ts";
import type { Attempt, ProbeReport, TlsLayer } from "../../../src/net/probe-report.ts";

/** What loopback does not give, and what no server here is. */

const peer: Peer = { target: "write", url: "https://influx.example:8181" };
const nowMs = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;

const certificate = {
  subject: "CN=influx.example",
  issuer: "CN=Example Issuing CA 1",
  names: "DNS:influx.example",
  validFromMs: nowMs - 90 * dayMs,
  validToMs: nowMs - dayMs,
  sha256: "AA",
};

const session: TlsLayer = {
  ms: 1,
  bytes: 1000,
  chain: [certificate],
  isVerified: false,
  mustVerify: true,
  asksForCertificate: false,
  hasCertificate: false,
};

function report(more: Partial<ProbeReport>): ProbeReport {
  const attempts: readonly Attempt[] = [{ address: "192.0.2.1", ms: 1 }];
  return {
    speaks: "http",
    usesTls: true,
    startedAtMs: nowMs,
    ms: 1,
    resolve: { ms: 1, addresses: ["192.0.2.1"] },
    connect: { ms: 1, attempts },
    ...more,
  };
}

function attempts(...failures: readonly (string | undefined)[]): Partial<ProbeReport> {
  return { connect: { ms: 1, attempts: failures.map((failure) => ({ address: "x", ms: 1, failure })) } };
}

test("of several addresses, the failure that came furthest is told", () => {
  const rows: readonly (readonly [readonly string[], string])[] = [
    [["ENETUNREACH", "ECONNREFUSED"], "connection_refused"],
    [["ENETUNREACH", "ETIMEDOUT"], "connect_timeout"],
    [["ENETUNREACH"], "host_unreachable"],
    [["EHOSTUNREACH", "ENETUNREACH"], "host_unreachable"],
    [["ETIMEDOUT"], "connect_timeout"],
    [["ECONNRESET"], "server_hangs_up"],
    [["EWHATEVER"], "connection_failed"],
  ];
  for (const [failures, code] of rows) {
    assert.equal(explain(report(attempts(...failures)), peer)?.code, code, failures.join(" "));
  }
  assert.equal(explain(report(attempts("ECONNREFUSED", undefined)), peer), undefined);
});

test("a public certificate alone is a server without its intermediates, a private one an unknown authority", () => {
  const distrust = "UNABLE_TO_VERIFY_LEAF_SIGNATURE";
  const name = certificate.issuer;
  const publicOne: TlsLayer = { ...session, distrust, missingIssuer: { name, known: "public" } };
  const privateOne: TlsLayer = { ...session, distrust, missingIssuer: { name } };
  const missing = explain(report({ tls: publicOne }), peer);
  assert.equal(missing?.code, "tls_missing_intermediate");
  assert.match(missing.message, /CN=Example Issuing CA 1/);
  assert.equal(explain(report({ tls: privateOne }), peer)?.code, "tls_unknown_ca");
  const accepted = { ...privateOne, mustVerify: false };
  assert.equal(explain(report({ tls: accepted }), peer), undefined);
});

test("another server's clock tells whose time is wrong, for a peer that does not tell", () => {
  const expired: TlsLayer = { ...session, distrust: "CERT_HAS_EXPIRED" };
  const theirs = { theirMs: nowMs - 30 * dayMs, oursMs: nowMs };
  const alike = { theirMs: nowMs - 2000, oursMs: nowMs };
  assert.equal(explain(report({ tls: expired }), peer)?.code, "tls_certificate_expired");
  assert.equal(explain(report({ tls: expired }), peer, alike)?.code, "tls_certificate_expired");
  const ahead = explain(report({ tls: expired }), peer, theirs);
  assert.equal(ahead?.code, "clock_ahead");
  assert.equal(ahead.layer, "host");
  assert.match(ahead.message, /30 days ahead/);
});

test("a report that ends early is explained by what it has", () => {
  const { connect, ...unfinished } = report({});
  assert.ok(connect);
  assert.equal(explain(unfinished, peer), undefined);
  assert.equal(explain(report({}), peer), undefined);
  assert.equal(explain(report({ usesTls: false }), peer), undefined);
  const late: TlsLayer = { ...session, failure: "late", bytes: 0, chain: [] };
  assert.equal(explain(report({ tls: late }), peer)?.code, "server_silent");
});

test("a server that asked for a certificate and does not go on is unhappy with what it got", () => {
  const asked: TlsLayer = { ...session, isVerified: true, asksForCertificate: true };
  const page = { status: 400, isHtml: true };
  const inside = { ms: 1, asked: "http2", heard: "http2", bytes: 9, end: "answered" } as const;
  const marks = { code: undefined, openssl: undefined, isCutHandshake: false, startsLikeTls: false };
  const cut = { marks: { ...marks, code: "ECONNRESET", isCutHandshake: true } };
  const alert = (openssl: string): TlsLayer["failure"] => ({ marks: { ...marks, code: "EPROTO", openssl } });
  const rows: readonly (readonly [Partial<ProbeReport>, TlsLayer["failure"], string | undefined])[] = [
    [{ page, inside, speaks: "grpc" }, undefined, "certificate"],
    [{ page }, undefined, "certificate"],
    [{ page: { ...page, status: 404 }, speaks: "grpc" }, undefined, "tls_no_alpn_h2"],
    [{}, cut, "certificate"],
    [{}, alert("0A000410"), "certificate"],
  ];
  for (const [more, failure, code] of rows) {
    for (const hasCertificate of [false, true]) {
      const tls = { ...asked, hasCertificate, failure };
      const found = explain(report({ tls, ...more }), peer)?.code;
      const end = hasCertificate ? "refused" : "needed";
      assert.equal(found, code === "certificate" ? `tls_client_certificate_${end}` : code);
    }
  }
  const noCipher = { ...asked, hasCertificate: true, failure: alert("0A00042F") };
  assert.equal(explain(report({ tls: noCipher }), peer)?.code, "tls_no_common_version");
  const indifferent = { ...asked, asksForCertificate: false };
  assert.equal(explain(report({ tls: indifferent, page }), peer), undefined);
  assert.equal(explain(report({ tls: { ...indifferent, failure: cut } }), peer)?.code, "tls_handshake_cut");
});
