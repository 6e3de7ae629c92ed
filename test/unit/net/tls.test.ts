import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TlsConfig } from "../../../src/net/config.ts";
import { BugError, Fault } from "../../../src/lib/fault.ts";
import { tlsOptions } from "../../../src/net/tls.ts";
import { makeCertificates } from "../../support/certificates.ts";

const files = makeCertificates();
after(() => files.remove());

function write(name: string, text: string): string {
  const path = join(files.dir, name);
  writeFileSync(path, text);
  return path;
}

function faultOf(config: Omit<TlsConfig, "verify">): Fault {
  try {
    tlsOptions({ verify: true, ...config });
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("no fault");
}

test("nothing configured verifies against the authorities of Node.js", () => {
  assert.deepEqual(tlsOptions({ verify: true }), { rejectUnauthorized: true });
});

test("every setting reaches tls.connect", () => {
  const { ca, clientCert, clientKey } = files;
  assert.deepEqual(
    tlsOptions({
      caFile: ca,
      certFile: clientCert,
      keyFile: clientKey,
      serverName: "a.example",
      verify: false,
    }),
    {
      rejectUnauthorized: false,
      servername: "a.example",
      ca: readFileSync(ca, "utf8"),
      cert: readFileSync(clientCert, "utf8"),
      key: readFileSync(clientKey, "utf8"),
    },
  );
});

test("files are read at each call, so a rotated certificate is the next one used", () => {
  const rotated = write("rotated.pem", readFileSync(files.ca, "utf8"));
  const before = tlsOptions({ caFile: rotated, verify: true }).ca;
  writeFileSync(rotated, readFileSync(files.otherCert, "utf8"));
  const afterwards = tlsOptions({ caFile: rotated, verify: true }).ca;
  assert.notEqual(before, afterwards);
  assert.equal(afterwards, readFileSync(files.otherCert, "utf8"));
});

test("a chain with the intermediates behind the leaf is accepted, in the wrong order it is not", () => {
  const leaf = readFileSync(files.clientCert, "utf8");
  const issuer = readFileSync(files.ca, "utf8");
  const right = write("chain.pem", leaf + issuer);
  const wrong = write("reversed.pem", issuer + leaf);
  assert.equal(tlsOptions({ certFile: right, keyFile: files.clientKey, verify: true }).cert, leaf + issuer);
  assert.equal(faultOf({ certFile: wrong, keyFile: files.clientKey }).code, "tls_key_mismatch");
});

test("a file that cannot be read is named with its setting", () => {
  const missing = faultOf({ caFile: "/nonexistent/ca.pem" });
  assert.equal(missing.code, "tls_file_unreadable");
  assert.match(missing.message, /^ca_file \/nonexistent\/ca\.pem .*ENOENT/);
  const directory = faultOf({ certFile: files.dir, keyFile: files.clientKey });
  assert.equal(directory.code, "tls_file_unreadable");
  assert.match(directory.message, /^cert_file .*EISDIR/);
  assert.match(directory.hint ?? "", /directory/);
});

test("what is not PEM is refused here and not blamed on the server", () => {
  const garbage = write("garbage.pem", "not a certificate");
  const cut = readFileSync(files.ca, "utf8").replace(/\n.{30}/, "\n");
  const encrypted = join(files.dir, "encrypted.key");
  execFileSync("openssl", [
    "pkey",
    "-in",
    files.clientKey,
    "-aes256",
    "-passout",
    "pass:x",
    "-out",
    encrypted,
  ]);
  const cases: readonly (readonly [Omit<TlsConfig, "verify">, RegExp])[] = [
    [{ caFile: garbage }, /^ca_file .*no BEGIN CERTIFICATE/],
    [{ caFile: write("cut.pem", readFileSync(files.otherCert, "utf8") + cut) }, /certificate 2 of 2/],
    [{ caFile: write("empty.pem", "") }, /no BEGIN CERTIFICATE/],
    [{ caFile: write("huge.pem", "x".repeat(5_000_000)) }, /5000000 bytes/],
    [{ certFile: files.clientKey, keyFile: files.clientKey }, /^cert_file .*no BEGIN CERTIFICATE/],
    [{ certFile: files.clientCert, keyFile: garbage }, /^key_file .*no private key/],
    [{ certFile: files.clientCert, keyFile: encrypted }, /^key_file .*encrypted/],
  ];
  for (const [config, message] of cases) {
    const fault = faultOf(config);
    assert.equal(fault.code, "tls_bad_pem");
    assert.equal(fault.layer, "config");
    assert.match(fault.message, message);
  }
});

test("no fault repeats what is in a key file", () => {
  const key = write("cut.key", readFileSync(files.clientKey, "utf8").slice(0, 100));
  const fault = faultOf({ certFile: files.clientCert, keyFile: key });
  const secret = readFileSync(key, "utf8").split("\n")[1] ?? "";
  assert.ok(secret.length > 20);
  assert.ok(!JSON.stringify([fault.message, fault.hint, fault.stack, fault.cause]).includes(secret));
});

test("a key of another certificate is told apart from a broken one", () => {
  const fault = faultOf({ certFile: files.clientCert, keyFile: files.otherKey });
  assert.equal(fault.code, "tls_key_mismatch");
});

test("half a pair is a bug: the configuration refuses it", () => {
  assert.throws(() => tlsOptions({ certFile: files.clientCert, verify: true }), BugError);
  assert.throws(() => tlsOptions({ keyFile: files.clientKey, verify: true }), BugError);
});
