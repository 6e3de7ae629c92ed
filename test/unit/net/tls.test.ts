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
  const cases: readonly (readonly [Omit<TlsConfig, "verify">, RegExp])[] = [
    [{ caFile: garbage }, /^ca_file .*no BEGIN CERTIFICATE/],
    [{ caFile: write("cut.pem", readFileSync(files.otherCert, "utf8") + cut) }, /certificate 2 of 2/],
    [{ caFile: write("huge.pem", "x".repeat(5_000_000)) }, /5000000 bytes/],
    [{ certFile: files.clientCert, keyFile: garbage }, /^key_file .*no private key/],
  ];
  for (const [config, message] of cases) {
    const fault = faultOf(config);
    assert.equal(fault.code, "tls_bad_pem");
    assert.equal(fault.layer, "config");
    assert.match(fault.message, message);
  }
});

function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: "ignore" });
}

test("a key with a passphrase is called that, whatever its kind and form", () => {
  const kinds = {
    rsa: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ec: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ed: ["-algorithm", "ED25519"],
  };
  for (const [kind, options] of Object.entries(kinds)) {
    const [plain, pkcs8, traditional] = ["plain", "8", "t"].map((form) =>
      join(files.dir, `${kind}-${form}.key`),
    );
    assert.ok(plain !== undefined && pkcs8 !== undefined && traditional !== undefined);
    const lock = ["-aes256", "-passout", "pass:hunter2"];
    openssl("genpkey", ...options, "-out", plain);
    openssl("pkcs8", "-topk8", "-in", plain, "-v2", "aes256", "-passout", "pass:hunter2", "-out", pkcs8);
    // Ed25519 has no traditional form.
    if (kind !== "ed") openssl("pkey", "-in", plain, "-traditional", ...lock, "-out", traditional);
    for (const keyFile of kind === "ed" ? [pkcs8] : [pkcs8, traditional]) {
      const { message, hint } = faultOf({ certFile: files.clientCert, keyFile });
      assert.match(message, /^key_file \S+ cannot be used: the key in it has a passphrase$/);
      assert.match(hint ?? "", /openssl pkey -in \S+ -out/);
    }
  }
});

test("what a file is instead is named, with what to type", () => {
  const at = (name: string): string => join(files.dir, name);
  const { ca, clientCert, clientKey } = files;
  openssl("x509", "-in", ca, "-outform", "der", "-out", at("a.der"));
  for (const form of ["pem", "der"])
    openssl("crl2pkcs7", "-nocrl", "-certfile", ca, "-outform", form, "-out", at(`a-${form}.p7b`));
  const pair = ["-in", clientCert, "-inkey", clientKey];
  openssl("pkcs12", "-export", ...pair, "-passout", "pass:x", "-out", at("a.p12"));
  openssl("req", "-new", "-key", clientKey, "-subj", "/CN=a", "-out", at("a.csr"));
  openssl("pkey", "-in", clientKey, "-outform", "der", "-out", at("key.der"));
  openssl("pkey", "-in", clientKey, "-pubout", "-out", at("a.pub"));
  openssl("x509", "-in", ca, "-trustout", "-out", at("trusted.pem"));
  const pem = readFileSync(ca, "utf8");
  writeFileSync(at("utf16.pem"), Buffer.from(`\uFEFF${pem}`, "utf16le"));
  writeFileSync(at("utf16-bare.pem"), Buffer.from(pem, "utf16le"));
  const authorities: readonly (readonly [string, RegExp, RegExp])[] = [
    [at("a.der"), /in DER/, /openssl x509 -inform der/],
    [at("a-pem.p7b"), /PKCS#7/, /openssl pkcs7 -inform pem .*-print_certs/],
    [at("a-der.p7b"), /PKCS#7/, /openssl pkcs7 -inform der .*-print_certs/],
    [at("a.p12"), /PKCS#12/, /openssl pkcs12 .*-nokeys/],
    [at("a.csr"), /request/, /signed/],
    [at("a.pub"), /public key/, /ca_file/],
    [at("trusted.pem"), /TRUSTED/, /openssl x509 -in/],
    [at("utf16.pem"), /UTF-16/, /iconv -f UTF-16 /],
    [at("utf16-bare.pem"), /UTF-16/, /iconv -f UTF-16LE /],
    [clientKey, /a private key and no certificate/, /ca_file/],
    [write("nothing.pem", "\n"), /it is empty/, /disk/],
    [write("page.pem", "<!DOCTYPE html><title>Log in</title>"), /web page/, /download/],
    [write("begin.pem", pem.slice(0, 200)), /no end/, /END CERTIFICATE/],
    [write("long.pem", "x".repeat(5_000_000)), /5000000 bytes/, /another file .*ca_file/],
    [write("text.pem", "hello"), /no BEGIN CERTIFICATE/, /-----BEGIN CERTIFICATE-----/],
  ];
  for (const [caFile, what, hint] of authorities) check(faultOf({ caFile }), what, hint);
  const keys: readonly (readonly [string, RegExp, RegExp])[] = [
    [at("key.der"), /no private key in PEM/, /openssl pkey -inform der/],
    [at("a.p12"), /PKCS#12/, /-nocerts/],
    [clientCert, /no private key, but CERTIFICATE/, /cert_file/],
    [write("cut2.key", readFileSync(clientKey, "utf8").slice(0, 100)), /damaged/, /BEGIN to END/],
    [write("nothing.key", ""), /it is empty/, /disk/],
  ];
  for (const [keyFile, what, hint] of keys) check(faultOf({ certFile: clientCert, keyFile }), what, hint);
});

function check({ code, message, hint = "" }: Fault, what: RegExp, toType: RegExp): void {
  assert.equal(code, "tls_bad_pem");
  assert.match(message.split("cannot be used: ")[1] ?? "", what);
  assert.match(hint, toType);
  if (!/DER|x509|pkey/.test(toType.source)) assert.doesNotMatch(hint, /inform der -in \S+ -out new\.pem/);
}

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
