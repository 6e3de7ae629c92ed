import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TlsConfig } from "../../../src/net/config.ts";
import { examineTls } from "../../../src/net/tls-files.ts";
import { makeCertificates } from "../../support/certificates.ts";

const files = makeCertificates();
after(() => files.remove());
const dayMs = 86_400_000;
const nowMs = Date.now();
const pair = { certFile: files.clientCert, keyFile: files.clientKey };

function write(name: string, text: string): string {
  const path = join(files.dir, name);
  writeFileSync(path, text);
  return path;
}

/** Issued by `ca`, and an authority itself. */
function intermediate(): string {
  const extensions = write("intermediate.ext", "basicConstraints=critical,CA:TRUE\n");
  const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
  execFileSync(
    "openssl",
    ["x509", "-req", "-in", "server.csr", ...issuer, "-extfile", extensions, "-out", "intermediate.pem"],
    { cwd: files.dir, stdio: "pipe" },
  );
  return join(files.dir, "intermediate.pem");
}

/** "setting severity code", of each finding. */
function found(config: Omit<TlsConfig, "verify"> & { verify?: boolean }, atMs = nowMs): string[] {
  return examineTls({ verify: true, ...config }, atMs).map(
    ({ setting, severity, fault }) => `${setting} ${severity} ${fault.code}`,
  );
}

test("nothing is said of authorities, of several of them, and of a certificate that signed itself", () => {
  const several = write(
    "several.pem",
    readFileSync(files.ca, "utf8") + readFileSync(files.otherCert, "utf8"),
  );
  const chain = write("chain.pem", readFileSync(files.serverCert, "utf8") + readFileSync(files.ca, "utf8"));
  assert.deepEqual(found({}), []);
  for (const caFile of [files.ca, files.otherCert, several, chain])
    assert.deepEqual(found({ caFile }), [], caFile);
});

test("a ca_file that holds only what another authority issued is named, with that authority", () => {
  const [leaf, ...more] = examineTls({ verify: true, caFile: files.serverCert }, nowMs);
  assert.equal(more.length, 0);
  assert.equal(leaf?.fault.code, "tls_no_root");
  assert.match(leaf.fault.message, /it holds a server's own certificate and not the root/);
  assert.match(leaf.fault.hint ?? "", /the authority "CN=ca"/);
  // An intermediate is no root either, and where nothing is verified none is needed.
  for (const caFile of [files.serverCert, intermediate()]) {
    assert.deepEqual(found({ caFile }), ["ca_file error tls_no_root"]);
    assert.deepEqual(found({ caFile, verify: false }), [], "it is not used");
  }
});

test("authorities that have expired are a warning when none is left, a note when some are, and nothing where none is asked", () => {
  const later = nowMs + 10 * 365 * dayMs;
  const [over, ...more] = examineTls({ verify: true, caFile: files.ca }, later);
  assert.deepEqual([over?.severity, over?.fault.code, more.length], ["warning", "tls_authority_expired", 0]);
  assert.match(
    over?.fault.message ?? "",
    /^ca_file .* no certificate that is still valid: .*"CN=ca" expired on \d{4}/,
  );
  assert.deepEqual(found({ caFile: files.ca, verify: false }, later), []);
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-new",
      "-key",
      "other.key",
      "-out",
      "lasting.pem",
      "-days",
      "20",
      "-subj",
      "/CN=lasting",
    ],
    { cwd: files.dir, stdio: "pipe" },
  );
  const both = write(
    "both.pem",
    readFileSync(files.ca, "utf8") + readFileSync(join(files.dir, "lasting.pem"), "utf8"),
  );
  assert.deepEqual(found({ caFile: both }, nowMs + 10 * dayMs), ["ca_file note tls_authority_expired"]);
  assert.deepEqual(found({ caFile: both }, nowMs + 30 * dayMs), ["ca_file warning tls_authority_expired"]);
  assert.deepEqual(found({ caFile: both }), []);
});

test("each file that cannot be used is found, also when several cannot", () => {
  const garbage = write("garbage.pem", "no PEM");
  const missing = join(files.dir, "missing.pem");
  const rows: readonly (readonly [Parameters<typeof found>[0], readonly string[]])[] = [
    [{ caFile: missing }, ["ca_file error tls_file_unreadable"]],
    [{ caFile: garbage }, ["ca_file error tls_bad_pem"]],
    [
      { caFile: garbage, certFile: garbage, keyFile: missing },
      ["ca_file error tls_bad_pem", "cert_file error tls_bad_pem"],
    ],
    [{ ...pair, certFile: missing }, ["cert_file error tls_file_unreadable"]],
    [{ ...pair, keyFile: files.otherKey }, ["key_file error tls_key_mismatch"]],
    [{ ...pair, keyFile: garbage }, ["key_file error tls_bad_pem"]],
  ];
  for (const [config, expected] of rows) assert.deepEqual(found(config), expected);
});

test("a client certificate is looked at by the clock: not yet valid, valid, expiring, expired, each with its date", () => {
  const end = nowMs + 2 * dayMs;
  const rows: readonly (readonly [number, string])[] = [
    [nowMs - dayMs, "cert_file error tls_own_certificate_not_yet_valid"],
    // It is valid for two days: the last third has 16 hours.
    [end - 15 * 3_600_000, "cert_file warning tls_own_certificate_expires_soon"],
    [end + dayMs, "cert_file error tls_own_certificate_expired"],
  ];
  for (const [atMs, expected] of rows) {
    assert.deepEqual(found(pair, atMs), [expected]);
    assert.match(
      examineTls({ verify: true, ...pair }, atMs)[0]?.fault.message ?? "",
      / \d{4}-\d\d-\d\d \d\d:\d\d UTC/,
    );
  }
  assert.deepEqual(found(pair, end - 17 * 3_600_000), [], "what is made for days is renewed in days");
  const [over] = examineTls({ verify: true, ...pair }, end + dayMs);
  assert.match(
    over?.fault.message ?? "",
    new RegExp(`expired on ${new Date(end).toISOString().slice(0, 10)}`),
  );
});

test("a server name that nobody verifies gets a note", () => {
  assert.deepEqual(found({ serverName: "a.example", verify: false }), [
    "server_name note tls_name_not_verified",
  ]);
  assert.deepEqual(found({ serverName: "a.example" }), []);
});
