import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkCommand } from "../../../src/cli/check.ts";
import type { Io } from "../../../src/cli/io.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { ConfigDirectory, minimal } from "../config/fixture.ts";

const files = makeCertificates();
after(() => files.remove());

/** Of the client: made long ago, and valid for five days from now. */
function ending(): string {
  const cnf =
    "[ca]\ndefault_ca=c\n[c]\nnew_certs_dir=.\ndatabase=index.txt\nrand_serial=yes\ndefault_md=sha256\n" +
    "policy=p\n[p]\ncommonName=supplied\n";
  writeFileSync(join(files.dir, "ca.cnf"), cnf);
  writeFileSync(join(files.dir, "index.txt"), "");
  const end = new Date(Date.now() + 5 * 86_400_000).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const time = ["-startdate", "20250101000000Z", "-enddate", end];
  const signer = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"];
  const args = ["ca", "-batch", "-notext", ...signer, ...time, "-in", "client.csr", "-out", "ending.pem"];
  execFileSync("openssl", args, { cwd: files.dir, stdio: "pipe" });
  return join(files.dir, "ending.pem");
}

const endingCert = ending();

const secure = minimal.replace("http:", "https:");

async function check(directory: ConfigDirectory, json = false): Promise<{ code: number; text: string }> {
  let text = "";
  const io: Io = {
    out: (more) => (text += more),
    err: (more) => assert.fail(`unexpected on standard error: ${more}`),
    env: {},
    isTerminal: false,
    signal: new AbortController().signal,
  };
  return { code: await checkCommand({ config: directory.main, json }, io), text };
}

test("check looks into TLS files and names the line of the key, also of a table in conf.d", async () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": `${secure}ca_file = "ca.pem"\n`,
    "ca.pem": "garbage",
    "conf.d/10.toml": `\n[[mqtt]]\nurl = "mqtts://b"\ncert_file = "${endingCert}"\nkey_file = "${files.otherKey}"\n`,
  });
  const { code, text } = await check(directory);
  assert.equal(code, 78);
  const inConfd = join(directory.path, "conf.d/10.toml");
  const lines = text.split("\n").filter((line) => !line.startsWith("    "));
  assert.ok(
    lines[0]?.startsWith(`${inConfd}:5: mqtt[1].key_file: ${files.otherKey} is not the key of`),
    text,
  );
  const caFile = join(directory.path, "ca.pem");
  assert.equal(
    lines[1],
    `${directory.main}:7: influxdb.ca_file: ${caFile} cannot be used: it holds no BEGIN CERTIFICATE block`,
  );
  assert.ok(
    lines[2]?.startsWith(`${inConfd}:4: mqtt[1].cert_file: warning: ${endingCert} expires on `),
    text,
  );
  const { ok, problems, remarks } = JSON.parse((await check(directory, true)).text) as {
    readonly ok: boolean;
    readonly problems: readonly { readonly line: number; readonly key: string }[];
    readonly remarks: readonly { readonly severity: string }[];
  };
  assert.deepEqual(
    [ok, problems.map(({ line, key }) => `${line} ${key}`), remarks.map(({ severity }) => severity)],
    [false, ["5 mqtt[1].key_file", "7 influxdb.ca_file"], ["warning"]],
  );
});

test("a client certificate that has expired is a problem, one that will soon is a warning beside ok", async () => {
  const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "-1"];
  const options = { cwd: files.dir, stdio: "pipe" } as const;
  execFileSync("openssl", ["x509", "-req", "-in", "client.csr", ...issuer, "-out", "old.pem"], options);
  using directory = new ConfigDirectory();
  const text = (certFile: string): string =>
    `${secure}ca_file = "${files.ca}"\ncert_file = "${certFile}"\nkey_file = "${files.clientKey}"\n`;
  directory.write({ "flightline.toml": text(join(files.dir, "old.pem")) });
  const old = await check(directory);
  assert.equal(old.code, 78);
  assert.match(old.text, /:8: influxdb\.cert_file: \S+old\.pem expired on \d{4}-\d\d-\d\d/);
  directory.write({ "flightline.toml": text(endingCert) });
  const soon = await check(directory);
  assert.equal(soon.code, 0);
  assert.match(soon.text, /:8: influxdb\.cert_file: warning: .* expires on .*\n.*\n.*: ok \(1 source/);
});

test("a note stands beside ok", async () => {
  using directory = new ConfigDirectory();
  directory.write({ "flightline.toml": `${secure}verify = false\nserver_name = "a.example"\n` });
  const { code, text } = await check(directory);
  assert.equal(code, 0);
  assert.match(text, /:8: influxdb\.server_name: note: is asked for, but not verified/);
  assert.equal((JSON.parse((await check(directory, true)).text) as { ok: boolean }).ok, true);
});
