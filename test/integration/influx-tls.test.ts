/** The writer over TLS, with certificates that fit and that do not. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TlsConfig } from "../../src/net/config.ts";
import { makeCertificates } from "../support/certificates.ts";
import { assertRetry, line, never, noContent, serve, writer } from "../support/influx-http.ts";
import { listening } from "../support/tcp-server.ts";

const files = makeCertificates();
after(() => files.remove());

test("TLS: the right CA delivers, over a client certificate too", async (t) => {
  const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
  const plain = await serve(t, noContent, pair);
  assert.deepEqual(
    await writer(t, plain.url, { tls: { verify: true, caFile: files.ca } }).write(line, never),
    {
      kind: "delivered",
    },
  );
  assert.deepEqual(await writer(t, plain.url, { tls: { verify: false } }).write(line, never), {
    kind: "delivered",
  });
  const mutual = await serve(t, noContent, { ...pair, ca: readFileSync(files.ca), requestCert: true });
  const tls = { verify: true, caFile: files.ca, certFile: files.clientCert, keyFile: files.clientKey };
  assert.deepEqual(await writer(t, mutual.url, { tls }).write(line, never), { kind: "delivered" });
});

test("TLS: each misconfiguration is named", async (t) => {
  const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
  const { url } = await serve(t, noContent, pair);
  const selfSigned = await serve(t, noContent, {
    cert: readFileSync(files.otherCert),
    key: readFileSync(files.otherKey),
  });
  const mutual = await serve(t, noContent, { ...pair, ca: readFileSync(files.ca), requestCert: true });
  const plaintext = await serve(t, noContent);
  const alerting = net.createServer((socket) => {
    socket.once("data", () => socket.end(Buffer.from("15030300020246", "hex")));
  });
  const { port: alertingPort } = await listening(t, alerting);
  const trusted = { verify: true, caFile: files.ca };
  const rows: readonly (readonly [string, TlsConfig, string])[] = [
    [url, { verify: true }, "tls_unknown_ca"],
    [url, { verify: true, caFile: files.otherCert }, "tls_unknown_ca"],
    [selfSigned.url, { verify: true }, "tls_self_signed"],
    [url, { ...trusted, serverName: "influx.example" }, "tls_wrong_name"],
    [mutual.url, trusted, "tls_client_certificate_needed"],
    [plaintext.url.replace("http:", "https:"), trusted, "tls_server_is_plaintext"],
    [`http://127.0.0.1:${alertingPort}`, { verify: true }, "server_is_tls"],
    [url.replace("https:", "http:"), { verify: true }, "connection_closed"],
    [url, { verify: true, caFile: join(files.dir, "missing.pem") }, "tls_file_unreadable"],
  ];
  for (const [address, tls, code] of rows) {
    assertRetry(await writer(t, address, { tls, writeTimeoutMs: 2000 }).write(line, never), code);
  }
});

test("TLS: files that were broken are read again with the next connection, and none that waits is forgotten", async (t) => {
  const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
  const { url } = await serve(
    t,
    (response) => void response.writeHead(204, { connection: "close" }).end(),
    pair,
  );
  const caFile = join(files.dir, "rotating.pem");
  writeFileSync(caFile, readFileSync(files.ca));
  const influx = writer(t, url, { maxInFlight: 1, tls: { verify: true, caFile } });
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  writeFileSync(caFile, "half a fi");
  const waiting = [influx.write(line, never), influx.write(line, never), influx.write(line, never)];
  for (const outcome of await Promise.all(waiting)) assertRetry(outcome, "tls_bad_pem");
  writeFileSync(caFile, readFileSync(files.ca));
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
});
