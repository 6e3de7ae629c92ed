/** TLS that is wrong in one way each: what a probe makes of certificates, clocks and handshakes. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { TlsConfig } from "../../src/net/config.ts";
import { makeProbeCertificates } from "../support/probe-certificates.ts";
import { any, check, hastyMs, look, type Case } from "../support/probe-look.ts";
import { ProbeStage, answering } from "../support/probe-stage.ts";

const files = makeProbeCertificates();
after(() => files.remove());

const trusting: TlsConfig = { verify: true, caFile: files.root };

test("TLS: a certificate is followed to the end of its chain, and what is wrong with it is named", async (t) => {
  const stage = new ProbeStage(t);
  const https = async (pair: typeof files.good): Promise<string> =>
    `https://localhost:${await stage.h2(pair)}`;
  const good = await https(files.good);
  const leaf = await https(files.leafOnly);
  const chain = await https(files.wholeChain);
  const otherRoot = { verify: true, caFile: files.otherRoot };
  const anew = { verify: true, caFile: files.rootMadeAnew };
  const missing = { verify: true, caFile: `${files.root}.gone` };
  await check(t, trusting, [
    [
      "wrong name",
      await https(files.wrongName),
      "http",
      "tls_wrong_name",
      /DNS:other\.example/,
      /server_name/,
    ],
    ["expired", await https(files.expired), "grpc", "tls_certificate_expired", /expired/, /renew/],
    [
      "not yet valid",
      await https(files.notYetValid),
      "http",
      "tls_certificate_not_yet_valid",
      any,
      /timedatectl/,
    ],
    ["self-signed", await https(files.selfSigned), "grpc", "tls_self_signed", any, /influxdb\.ca_file/],
    [
      "unknown CA",
      good,
      "grpc",
      "tls_unknown_ca",
      /CN=Example Root, O=Example/,
      /influxdb\.ca_file/,
      otherRoot,
    ],
    [
      "unknown CA, no ca_file",
      good,
      "http",
      "tls_unknown_ca",
      /CN=Example Root/,
      /ca_file/,
      { verify: true },
    ],
    [
      "private CA, no ca_file, says where to find it",
      await https(files.downloadable),
      "http",
      "tls_unknown_ca",
      /CN=Example Root/,
      /ca_file; if it is a public one, let the server send the whole chain/,
      { verify: true },
    ],
    ["CA made anew", good, "http", "tls_unknown_ca", /another key/, /made anew/, anew],
    ["intermediate missing", leaf, "http", "tls_missing_intermediate", /CN=between/, /fullchain/],
    ["root unknown", chain, "http", "tls_unknown_ca", /CN=Example Root/, /ca_file/, otherRoot],
    ["no such file", good, "http", "tls_file_unreadable", /gone/, /correct ca_file/, missing],
  ]);
});

test("TLS: the clocks are blamed, and neither of them alone, when the server tells another time", async (t) => {
  const stage = new ProbeStage(t);
  const at = (date: string) => answering(200, { date });
  const in2090 = at("Wed, 01 Mar 2090 12:00:00 GMT");
  const in2020 = at("Sun, 01 Mar 2020 12:00:00 GMT");
  const behind = await stage.h2(files.notYetValid, in2090);
  const ahead = await stage.https(files.expired, in2020);
  const mayBe = await stage.https(files.expired, in2090);
  await check(t, trusting, [
    ["clock behind", `https://127.0.0.1:${behind}`, "grpc", "clock_behind", /\d+ days behind/, /on both/],
    ["clock ahead", `https://127.0.0.1:${ahead}`, "http", "clock_ahead", /\d+ days ahead/, /on both/],
    ["expired by both clocks", `https://127.0.0.1:${mayBe}`, "http", "tls_certificate_expired", any, /renew/],
  ]);
  const { report } = await look(`https://127.0.0.1:${ahead}`, "http", trusting);
  assert.equal(report.clock?.theirMs, Date.parse("2020-03-01T12:00:00Z"));
});

test("TLS: a client certificate is missing where a request is refused, in the protocol that is expected", async (t) => {
  const stage = new ProbeStage(t);
  const asking = { ...files.good, requestCert: true, rejectUnauthorized: false };
  const optional = `https://localhost:${await stage.h2(asking, answering(400, {}), 415)}`;
  const needed = `https://localhost:${await stage.h2(asking, answering(400, {}), 400)}`;
  const strange = { ...trusting, certFile: files.clientCert, keyFile: files.clientKey };
  const missing = "tls_client_certificate_needed";
  const refused = "tls_client_certificate_refused";
  await check(t, trusting, [
    ["optional", optional, "grpc", "", any, any],
    ["needed", needed, "grpc", missing, any, /cert_file/],
    ["needed", needed, "http", missing, any, /cert_file/],
    ["another one needed", needed, "grpc", refused, any, /cert_file/, strange],
  ]);
});

test("TLS: a handshake that is refused, cut, or without HTTP/2", async (t) => {
  const stage = new ProbeStage(t);
  const strange = { ...trusting, certFile: files.clientCert, keyFile: files.clientKey };
  const asking = { ...files.good, requestCert: true, rejectUnauthorized: true };
  const wants = await stage.https(asking);
  const wantsOld = await stage.https({ ...asking, maxVersion: "TLSv1.2" });
  const http1 = await stage.https(files.good);
  const noAlpn = await stage.tls(files.good, (socket) => void socket.resume());
  const old = await stage.https({
    ...files.good,
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
    ciphers: "ALL:@SECLEVEL=0",
  });
  const plain = await stage.http();
  const h2c = await stage.h2c();
  const cut = await stage.tcp((socket) => void socket.once("data", () => socket.resetAndDestroy()));
  const hello = await stage.tcp(
    (socket) =>
      void socket.once("data", (bytes) => {
        if (bytes[0] === 0x16) socket.resetAndDestroy();
      }),
  );
  const at = (port: number): string => `https://localhost:${port}`;
  await check(t, trusting, [
    ["client certificate, TLS 1.3", at(wants), "http", "tls_client_certificate_needed", any, /cert_file/],
    ["client certificate, TLS 1.2", at(wantsOld), "http", "tls_client_certificate_needed", any, /cert_file/],
    [
      "client certificate not trusted",
      at(wants),
      "http",
      "tls_client_certificate_refused",
      any,
      /issued/,
      strange,
    ],
    ["ALPN without h2", at(http1), "grpc", "tls_no_alpn_h2", /does not choose HTTP\/2/, /http2 on/],
    ["TLS 1.1 only", at(old), "http", "tls_no_common_version", any, /TLS 1\.2/],
    ["plaintext on a TLS URL", at(plain), "http", "tls_server_is_plaintext", any, /use http:\/\//],
    ["plaintext on a TLS URL", at(h2c), "grpc", "tls_server_is_plaintext", any, /use http:\/\//],
    ["HTTP behind mqtts://", `mqtts://localhost:${plain}`, "mqtt", "server_is_http", /HTTP 200/, /8883/],
    ["HTTPS behind mqtts://", `mqtts://localhost:${http1}`, "mqtt", "server_is_http", /HTTP 400/, /8883/],
    ["reset, whatever is said", at(cut), "http", "server_hangs_up", any, /proxy whose server is down/],
  ]);
  const waiting: readonly Case[] = [
    ["no ALPN", at(noAlpn), "grpc", "tls_no_alpn_h2", /ALPN: none/, /http2 on/],
    ["reset in the handshake", at(hello), "http", "tls_handshake_cut", any, /server_name/],
  ];
  await check(t, trusting, waiting, hastyMs);
});
