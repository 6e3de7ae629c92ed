import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { complaints, ConfigDirectory, minimal } from "./fixture.ts";

const canary = "hunter2-canary";

function shown(value: unknown): string {
  return inspect(value, { depth: 20, showHidden: true }) + JSON.stringify(value);
}

test("a secret comes from its file without the last line break, and can be printed nowhere", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": `${minimal}token_file = "\${CREDENTIALS_DIRECTORY}/token"\n`,
    "credentials/token": `${canary}\n`,
    "conf.d/10.toml": '[[mqtt]]\nurl = "mqtt://b"\nusername = "u"\npassword_file = "secrets/mqtt"\n',
    "conf.d/secrets/mqtt": `${canary}-2\r\n`,
    "conf.d/20.toml": '[[mqtt]]\nurl = "mqtt://c"\npassword = "${PASSWORD}"\n',
  });
  const env = { CREDENTIALS_DIRECTORY: join(directory.path, "credentials"), PASSWORD: `${canary}-3` };
  const result = directory.load(env);
  assert.ok(result.ok, complaints(result).join("\n"));
  assert.equal(result.config.influx.token?.reveal(), canary);
  assert.equal(result.config.mqtt[1]?.password?.reveal(), `${canary}-2`);
  assert.equal(result.config.mqtt[2]?.password?.reveal(), `${canary}-3`);
  assert.doesNotMatch(shown(result), /hunter2/);
});

test("a path is relative to the file that names it, and certificates become absolute", () => {
  using directory = new ConfigDirectory();
  directory.write({
    "flightline.toml": `${minimal.replace("http:", "https:")}ca_file = "ca.pem"\n[journal]\ndir = "data"\n`,
    "ca.pem": "x",
    "conf.d/10.toml": '[[mqtt]]\nurl = "mqtts://b"\nca_file = "../ca.pem"\n',
  });
  const result = directory.load();
  assert.ok(result.ok, complaints(result).join("\n"));
  assert.equal(result.config.influx.tls.caFile, join(directory.path, "ca.pem"));
  assert.equal(result.config.mqtt[1]?.tls.caFile, join(directory.path, "ca.pem"));
  assert.equal(result.config.journal.dir, join(directory.path, "data"));
});

test("a secret's file that is missing, empty, no file, too large or not text is named at its line", () => {
  const cases: [Record<string, string | Uint8Array>, string][] = [
    [{}, "does not exist"],
    [{ token: "" }, "is empty"],
    [{ token: "\n" }, "is empty"],
    [{ "token/x": "" }, "is not a file"],
    [{ token: "x".repeat(70_000) }, "is larger than 65536 bytes"],
    [{ token: new Uint8Array([0xff]) }, "is not UTF-8 text"],
  ];
  for (const [files, message] of cases) {
    using directory = new ConfigDirectory();
    directory.write({ "flightline.toml": `${minimal}token_file = "token"\n`, ...files });
    const expected = `7 influxdb.token_file ${join(directory.path, "token")} ${message}`;
    assert.deepEqual(complaints(directory.load()), [expected]);
  }
});

test("a certificate that is missing is named at its line", () => {
  using directory = new ConfigDirectory();
  directory.write({ "flightline.toml": `${minimal.replace("http:", "https:")}ca_file = "ca.pem"\n` });
  assert.deepEqual(complaints(directory.load()), [
    `7 influxdb.ca_file ${join(directory.path, "ca.pem")} does not exist`,
  ]);
});

test("whatever is wrong with a secret, or with the text around it, it is not shown", () => {
  const wrong: [string, string][] = [
    ['[[mqtt]]\nurl = "mqtt://b"\npassword_file = "secret"\n', `${canary}\nsecond line`],
    ['[[mqtt]]\nurl = "mqtt://b"\npassword_file = "secret"\n', `${canary}${"x".repeat(20_000)}`],
    [`[[mqtt]]\nurl = "mqtt://b"\npassword = "${canary}\\u0000"\n`, ""],
    [`[[mqtt]]\nurl = "mqtt://b"\npassword = ["${canary}"]\n`, ""],
    [`[[mqtt]]\nurl = "mqtt://u:${canary}@b"\n`, ""],
    [`[[mqtt]]\nurl = "mqtt//u:${canary}@b"\n`, ""],
    [`[[mqtt]]\nurl = "ws://b?token=${canary}"\n`, ""],
    [`[[mqtt]]\nurl = "b b?token=${canary}"\n`, ""],
    ['[[mqtt]]\nurl = "${SECRET}"\n', ""],
    [`[[mqtt]]\nurl = "ftp://\${SECRET}/x"\n`, ""],
    [`[[mqtt]]\nurl = "u:${canary}@\${HOST:-b}"\n`, ""],
    [`[influxdb]\ntoken = "${canary} x"\n`, ""],
    [`[influxdb]\ntokn = "${canary}"\n`, ""],
    [`[influxdb]\ntoken = "${canary}\n`, ""],
    ['[influxdb]\ntoken_file = "secret"\ndatabase = "${SECRET} x"\n', `${canary}\u0007`],
    ['[log]\nlevel = "${SECRET}"\n', ""],
  ];
  for (const [text, secret] of wrong) {
    using directory = new ConfigDirectory();
    directory.write({ "flightline.toml": minimal, "conf.d/10.toml": text, "conf.d/secret": secret });
    const result = directory.load({ SECRET: canary });
    assert.ok(!result.ok, text);
    assert.doesNotMatch(shown(result), /hunter2/, text);
  }
});
