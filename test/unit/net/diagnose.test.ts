import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Fault, type Layer } from "../../../src/lib/fault.ts";
import { diagnose, type Peer } from "../../../src/net/diagnose.ts";

const https: Peer = { target: "write", url: "https://influx.example:8181/db" };
const http: Peer = { target: "write", url: "http://influx.example:8181" };
const mqtts: Peer = { target: "broker", url: "mqtts://broker.example:8883" };

function error(code: string | undefined, message = "words that may change", more: object = {}): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code }, more);
}

function openssl(number: string, code: string | undefined = "EPROTO"): Error {
  return error(
    code,
    `write EPROTO 404D0810C57F0000:error:${number}:SSL routines:some_function:some words:x.c:1:\n`,
  );
}

const alert = { rawPacket: Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]) };
const cutHandshake = "Client network socket disconnected before secure TLS connection was established";

const rows: readonly (readonly [Error, Peer, string, Layer, RegExp])[] = [
  [error("ECONNREFUSED"), http, "connection_refused", "write", /influxdb\.url/],
  [error("ECONNREFUSED"), mqtts, "connection_refused", "broker", /mqtt\.url/],
  [error("ECONNRESET"), https, "connection_closed", "write", /logs/],
  [error("ECONNRESET", "socket hang up"), http, "connection_closed", "write", /https:\/\/ in influxdb\.url/],
  [error("EPIPE"), mqtts, "connection_closed", "broker", /logs/],
  [
    error("ECONNRESET", cutHandshake),
    https,
    "tls_handshake_cut",
    "write",
    /http:\/\/.*influxdb\.server_name/,
  ],
  [error("ENOTFOUND"), http, "name_not_found", "network", /getent hosts influx\.example/],
  [error("EAI_AGAIN"), http, "name_lookup_failed", "network", /resolv\.conf/],
  [error("ETIMEDOUT"), mqtts, "connect_timeout", "network", /firewall/],
  [error("EHOSTUNREACH"), http, "host_unreachable", "network", /ip route get/],
  [error("ENETUNREACH"), http, "host_unreachable", "network", /ip route get/],
  [error("CERT_HAS_EXPIRED"), https, "tls_certificate_expired", "write", /timedatectl/],
  [error("CERT_NOT_YET_VALID"), https, "tls_certificate_not_yet_valid", "host", /timedatectl/],
  [error("DEPTH_ZERO_SELF_SIGNED_CERT"), mqtts, "tls_self_signed", "config", /mqtt\.ca_file/],
  [error("SELF_SIGNED_CERT_IN_CHAIN"), https, "tls_unknown_ca", "config", /influxdb\.ca_file/],
  [error("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), https, "tls_unknown_ca", "config", /influxdb\.ca_file/],
  [error("UNABLE_TO_GET_ISSUER_CERT_LOCALLY"), https, "tls_unknown_ca", "config", /influxdb\.ca_file/],
  [error("UNABLE_TO_GET_ISSUER_CERT"), https, "tls_unknown_ca", "config", /influxdb\.ca_file/],
  [error("CERT_REVOKED"), https, "tls_certificate_revoked", "write", /new certificate/],
  [error("ERR_TLS_CERT_ALTNAME_INVALID"), https, "tls_wrong_name", "config", /influxdb\.server_name/],
  [openssl("0A00010B"), https, "tls_server_is_plaintext", "config", /http:\/\/ in influxdb\.url/],
  [openssl("0A00010B"), mqtts, "tls_server_is_plaintext", "config", /mqtt:\/\/ in mqtt\.url/],
  [openssl("0A00010B", undefined), https, "tls_server_is_plaintext", "config", /http:\/\//],
  [openssl("0A0000C6"), https, "tls_server_is_plaintext", "config", /http:\/\//],
  [
    openssl("0A00045C", "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    https,
    "tls_client_certificate_needed",
    "config",
    /influxdb\.cert_file/,
  ],
  [openssl("0A000410"), https, "tls_handshake_refused", "write", /influxdb\.cert_file/],
  [openssl("0A000418"), mqtts, "tls_client_certificate_refused", "config", /mqtt\.cert_file/],
  [openssl("0A00042E"), https, "tls_no_common_version", "write", /TLS 1\.2/],
  [
    openssl("0A0000BF", "ERR_SSL_NO_PROTOCOLS_AVAILABLE"),
    https,
    "tls_no_common_version",
    "write",
    /TLS 1\.2/,
  ],
  [openssl("0A000458"), https, "tls_unknown_server_name", "config", /influxdb\.server_name/],
  [openssl("0A0000FF"), https, "tls_failed", "write", /openssl s_client/],
  [error("EPROTO"), https, "tls_failed", "write", /openssl s_client/],
  [
    error("HPE_INVALID_CONSTANT", "Parse Error", alert),
    http,
    "server_is_tls",
    "config",
    /https:\/\/ in influxdb\.url/,
  ],
  [
    error("HPE_INVALID_CONSTANT", "Parse Error", { rawPacket: Buffer.from("SSH-2.0") }),
    http,
    "server_not_http",
    "config",
    /8181/,
  ],
  [error("HPE_HEADER_OVERFLOW"), http, "server_not_http", "config", /8181/],
  [error("constructor"), http, "connection_failed", "write", /influxdb\.url/],
  [error(undefined), http, "connection_failed", "write", /influxdb\.url/],
];

test("every known error has its code, its layer and a hint that names what to change", () => {
  for (const [cause, peer, code, layer, hint] of rows) {
    const fault = diagnose(cause, peer);
    const shown = inspect(cause);
    assert.equal(fault.code, code, shown);
    assert.equal(fault.layer, layer, shown);
    assert.equal(fault.disposition, "retry", shown);
    assert.match(fault.hint ?? "", hint, shown);
    assert.match(fault.message, /^(?:InfluxDB|[a-z]).*[^.]$/, shown);
    assert.match(fault.hint ?? "", /^[a-z].*[^.]$/, shown);
  }
  assert.ok(rows.length > 30);
});

test("a fault already made is passed on as it is", () => {
  const fault = new Fault({ code: "x", layer: "write", disposition: "retry", message: "x" });
  assert.equal(diagnose(fault, http), fault);
});

test("of several addresses tried, the first tells", () => {
  const several = new AggregateError([error("ECONNREFUSED"), error("ENETUNREACH")]);
  assert.equal(diagnose(several, http).code, "connection_refused");
});

test("a code on the cause is found", () => {
  assert.equal(diagnose(new Error("outer", { cause: error("ENOTFOUND") }), http).code, "name_not_found");
});

test("a wrong name is answered with the names in the certificate, cut short", () => {
  const names = (subjectaltname: string | undefined): string =>
    diagnose(error("ERR_TLS_CERT_ALTNAME_INVALID", "x", { cert: { subjectaltname } }), https).message;
  assert.match(names("DNS:other.example, IP Address:10.0.0.1"), /is for other names: DNS:other\.example, IP/);
  assert.match(names(undefined), /no name/);
  assert.ok(names("DNS:a.example, ".repeat(1000)).length < 400);
});

test("neither credentials in the URL nor the parser's packet are in the fault", () => {
  const peer: Peer = { target: "broker", url: "mqtt://user:hunter2@broker.example" };
  const fault = diagnose(error("ECONNREFUSED"), peer);
  assert.match(fault.message, /mqtt:\/\/broker\.example/);
  assert.ok(!inspect(fault).includes("hunter2"));
  const packet = { rawPacket: Buffer.from("hunter2") };
  assert.equal(diagnose(error("HPE_INVALID_CONSTANT", "Parse Error", packet), http).cause, undefined);
});

test("an unknown error is quoted on one line of bounded length", () => {
  const { message } = diagnose(new Error(`one\ntwo\u001b[31m${"x".repeat(1000)}`), http);
  assert.match(message, /one two \[31mx+…$/);
  assert.ok(message.length < 300);
});

test("what was thrown need not be an error, and the address need not be one", () => {
  for (const thrown of [undefined, null, "text", 7, {}]) {
    assert.equal(diagnose(thrown, { target: "write", url: "::" }).code, "connection_failed");
  }
});

test("a code of a library is not an operator's business where it means one thing only", () => {
  const packet = { rawPacket: Buffer.from("SSH-2.0") };
  const notHttp = diagnose(error("HPE_INVALID_CONSTANT", "Parse Error", packet), http);
  const noHttp2 = diagnose(openssl("0A000460", "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL"), https);
  assert.match(notHttp.message, /does not speak HTTP \(its answer is something else\)$/);
  assert.match(noHttp2.message, /needs \(it refused it in the TLS handshake\)$/);
});
