import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { examineConfiguration, type TlsRemark } from "../../../src/doctor/configuration.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import { ConfigDirectory, minimal } from "../config/fixture.ts";

const never = new AbortController().signal;

async function examine(
  directory: ConfigDirectory,
  env: NodeJS.ProcessEnv = {},
  remarks: readonly TlsRemark[] = [],
): Promise<Finding[]> {
  const found: Finding[] = [];
  await examineConfiguration(
    directory.main,
    directory.load(env),
    remarks,
  )((finding) => found.push(finding), never);
  return found;
}

describe("a configuration that is right", () => {
  test("is told with what it names", async () => {
    using directory = new ConfigDirectory();
    directory.write({
      "flightline.toml": minimal,
      "conf.d/10.toml": '[[mqtt]]\nurl = "mqtt://b"\n[[route]]\ndatabase = "x"\nmatch = { tenant = "t" }\n',
    });
    const found = await examine(directory);
    assert.deepEqual(found, [
      {
        check: "configuration.file",
        severity: "ok",
        text: `${directory.main}: 2 sources, database lorawan at http://127.0.0.1:8181, 1 route, 1 file of conf.d`,
        figures: { file: directory.main, files: 2, sources: 2, routes: 1 },
      },
    ]);
  });

  test("its TLS files are counted when nothing is wrong with them, each once", async () => {
    using directory = new ConfigDirectory();
    const secure = minimal.replace("http:", "https:").replace("mqtt:", "mqtts:");
    const text = secure.replace(
      "[influxdb]",
      'ca_file = "ca.pem"\n[influxdb]\nca_file = "ca.pem"\ncert_file = "c.pem"\nkey_file = "k.pem"',
    );
    directory.write({ "flightline.toml": text, "ca.pem": "x", "c.pem": "x", "k.pem": "x" });
    const [, tls] = await examine(directory);
    assert.deepEqual(
      [tls?.check, tls?.severity, tls?.text],
      ["configuration.tls", "ok", "3 files for TLS, all usable"],
    );
    const problem = {
      file: directory.main,
      line: 4,
      key: "influxdb.ca_file",
      message: "is bad",
      hint: "mend it",
    };
    const remarks = (["error", "warning", "note"] as const).map((severity) => ({
      severity,
      problem,
      code: "c",
    }));
    const [, ...said] = await examine(directory, {}, remarks);
    assert.deepEqual(
      said.map(({ severity, text: words, hint, code }) => [severity, words, hint, code]),
      ["failure", "warning", "ok"].map((severity) => [
        severity,
        `${directory.main}:4: influxdb.ca_file: is bad`,
        "mend it",
        "c",
      ]),
    );
    const [, ...noted] = await examine(directory, {}, remarks.slice(2));
    assert.deepEqual(
      noted.map(({ text: words }) => words),
      [`${directory.main}:4: influxdb.ca_file: is bad`, "3 files for TLS, all usable"],
    );
  });
});

describe("a configuration that cannot be loaded", () => {
  test("each mistake is a failure with its line, and the rest is said to be skipped", async () => {
    using directory = new ConfigDirectory();
    directory.write({ "flightline.toml": `x = 1${minimal}`, "conf.d/a.toml": "[clock]\nntp = 5\n" });
    const found = await examine(directory);
    assert.deepEqual(
      found.map(({ check, severity, figures }) => [check, severity, figures?.["line"]]),
      [
        ["configuration.file", "failure", 1],
        ["configuration.file", "failure", 2],
        ["configuration.rest", "skipped", undefined],
      ],
    );
    assert.equal(found[0]?.text, `${directory.main}:1: x: unknown key`);
    assert.match(found[0]?.hint ?? "", /^known here: /);
    assert.ok(found[1]?.text.startsWith(`${join(directory.path, "conf.d/a.toml")}:2: clock.ntp: `));
  });

  test("a credential of the service that a shell has not is said once, with the cure", async () => {
    using directory = new ConfigDirectory();
    directory.write({
      "flightline.toml": `${minimal}token_file = "\${CREDENTIALS_DIRECTORY}/influxdb-token"\n`,
    });
    const unset = await examine(directory);
    const unreadable = await examine(directory, { CREDENTIALS_DIRECTORY: join(directory.path, "secrets") });
    for (const [only, ...rest] of [unset, unreadable]) {
      assert.ok(only?.text.startsWith(`${directory.main}:7: influxdb.token_file: `), only?.text);
      assert.match(only?.hint ?? "", /systemd gives credentials to the service only/);
      assert.match(only?.hint ?? "", /sudo CREDENTIALS_DIRECTORY=\/etc\/flightline flightline doctor$/);
      assert.deepEqual(
        rest.map(({ check }) => check),
        ["configuration.rest"],
      );
    }
    assert.match(unset[0]?.text ?? "", /CREDENTIALS_DIRECTORY is not set$/);
  });

  test("another file that is missing keeps its own hint", async () => {
    using directory = new ConfigDirectory();
    directory.write({ "flightline.toml": `${minimal}token_file = "\${HOME_OF_TOKENS}/t"\n` });
    const [only] = await examine(directory);
    assert.equal(only?.hint, "set it, or write ${HOME_OF_TOKENS:-default}");
  });

  test("a file that is not there says how to make one", async () => {
    using directory = new ConfigDirectory();
    const [only] = await examine(directory);
    assert.equal(only?.text, `${directory.main}: does not exist`);
    assert.match(only?.hint ?? "", /flightline config > /);
  });

  test(
    "a file that this user may not read asks for sudo",
    { skip: process.getuid?.() === 0 && "root may read all" },
    async () => {
      using directory = new ConfigDirectory();
      directory.write({ "flightline.toml": minimal });
      chmodSync(directory.main, 0o000);
      const [only] = await examine(directory);
      assert.match(only?.hint ?? "", /^run this command with sudo/);
    },
  );
});
