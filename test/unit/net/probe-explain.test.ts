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

test("a certificate alone may be one of a private authority, or a server without its intermediates", () => {
  const distrust = "UNABLE_TO_VERIFY_LEAF_SIGNATURE";
  const name = certificate.issuer;
  const privateOne: TlsLayer = { ...session, distrust, missingIssuer: { name } };
  const known = (house: "downloadable" | "same_house"): TlsLayer => ({
    ...session,
    distrust,
    missingIssuer: { name, known: house },
  });
  const either = explain(report({ tls: known("downloadable") }), peer);
  assert.equal(either?.code, "tls_unknown_ca");
  assert.match(either.message, /CN=Example Issuing CA 1/);
  assert.match(either.hint ?? "", /influxdb\.ca_file; if it is a public one, .* \(fullchain\.pem/);
  assert.equal(explain(report({ tls: known("same_house") }), peer)?.code, "tls_missing_intermediate");
  assert.equal(explain(report({ tls: privateOne }), peer)?.code, "tls_unknown_ca");
  const accepted = { ...privateOne, mustVerify: false };
  assert.equal(explain(report({ tls: accepted }), peer), undefined);
});

test("another server's clock tells that a time is wrong, for a peer that does not tell, and not whose", () => {
  const expired: TlsLayer = { ...session, distrust: "CERT_HAS_EXPIRED" };
  const theirs = { theirMs: nowMs - 30 * dayMs, oursMs: nowMs };
  const alike = { theirMs: nowMs - 2000, oursMs: nowMs };
  assert.equal(explain(report({ tls: expired }), peer)?.code, "tls_certificate_expired");
  assert.equal(explain(report({ tls: expired }), peer, alike)?.code, "tls_certificate_expired");
  const ahead = explain(report({ tls: expired }), peer, theirs);
  assert.equal(ahead?.code, "clock_ahead");
  assert.equal(ahead.layer, "host");
  assert.match(ahead.message, /30 days ahead .* has expired by ours: one of the two is wrong/);
  assert.match(ahead.hint ?? "", /on both.* if it is the server's, renew/);
  // An answer takes a while: what ran out in these seconds has run out.
  const justNow: TlsLayer = { ...expired, chain: [{ ...certificate, validToMs: nowMs - 1000 }] };
  assert.equal(explain(report({ tls: justNow }), peer, alike)?.code, "tls_certificate_expired");
  const further = { ...alike, theirMs: nowMs - 6000 };
  assert.equal(explain(report({ tls: justNow }), peer, further)?.code, "clock_ahead");
  // What is distrusted for its time, and has none that is wrong.
  const other: TlsLayer = { ...expired, chain: [] };
  assert.equal(explain(report({ tls: other }), peer, theirs)?.code, "tls_certificate_expired");
});

test("a redirect is the network's where it leads elsewhere without TLS, and else the server's", () => {
  const at = (url: string, location: string, usesTls = false): string | undefined => {
    const http = { status: 302, location, isHtml: true };
    const answer = { ms: 1, asked: "http1", heard: "http1", bytes: 99, end: "answered", http } as const;
    const tls = { ...session, isVerified: true, alpn: "http/1.1" };
    const seen = usesTls ? { tls, inside: answer } : { plaintext: { ms: 1, answers: [answer] } };
    return explain(report({ usesTls, ...seen }), { target: "write", url })?.code;
  };
  const [corp, lan] = ["http://influx.corp", "http://10.0.0.7:8181"];
  const rows: readonly (readonly [string, string, string])[] = [
    [corp, "https://influx.corp.example.com/health", "server_redirects"],
    [corp, "https://elsewhere.example/health", "server_redirects"],
    [corp, "http://influx.corp.example.com/login", "server_redirects"],
    ["http://influx.example.com", "http://sso.example.com/login?to=/health", "server_redirects"],
    ["http://influx.example.com", "http://example.com/", "server_redirects"],
    [corp, "/login", "server_redirects"],
    [lan, "https://influx.example/health", "server_redirects"],
    [lan, "http://10.0.0.7/health", "server_redirects"],
    [lan, "http://192.168.0.7/health", "captive_portal"],
    [corp, "https://login.hotel.example/?to=influx.corp/health", "captive_portal"],
    [corp, "http://login.hotel.example/health", "captive_portal"],
    ["http://influx.example.com", "http://notexample.com/", "captive_portal"],
  ];
  for (const [url, location, code] of rows) assert.equal(at(url, location), code, `${url} ${location}`);
  assert.equal(at("https://influx.corp", "https://login.hotel.example/", true), "server_redirects");
});

test("a proxy without its server says 502, 503 or 504", () => {
  const page = (status: number): string | undefined => {
    const http = { status, isHtml: false };
    const answer = { ms: 1, asked: "http1", heard: "http1", bytes: 99, end: "answered", http } as const;
    return explain(report({ usesTls: false, plaintext: { ms: 1, answers: [answer] } }), peer)?.code;
  };
  const codes = [500, 502, 503, 504, 505].map((status) => page(status));
  assert.deepEqual(codes, [undefined, ...Array.from({ length: 3 }, () => "proxy_without_server"), undefined]);
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
    [{ page, inside, http2Status: 400, speaks: "grpc" }, undefined, "certificate"],
    [{ page, inside, http2Status: 415, speaks: "grpc" }, undefined, "tls_no_alpn_h2"],
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
