/** What the user of the service may not read: tried with the rights of `nobody`, which takes root. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { filesOf } from "../../../src/config/named-files.ts";
import { examineAccess } from "../../../src/doctor/configuration-access.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import { ConfigDirectory, minimal } from "../config/fixture.ts";

const never = new AbortController().signal;
const nogroup = 65_534;
const skip = process.getuid?.() !== 0 && "only root can take the rights of another user";

interface Unit {
  readonly user?: string;
  readonly group?: string;
  readonly groups?: string;
  /** The configuration that it runs with. */
  readonly runs?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** With a unit as `systemctl show` would tell of it. */
async function examine(directory: ConfigDirectory, unit: Unit = {}): Promise<Finding[]> {
  const { user = "nobody", group = "", groups = "", runs = directory.main, env = {} } = unit;
  const start = `{ path=/usr/bin/node ; argv[]=/usr/bin/node main.js run --config ${runs} ; ignore_errors=no }`;
  const shown = `User=${user}\nGroup=${group}\nSupplementaryGroups=${groups}\nExecStart=${start}\n`;
  directory.write({ shown, systemctl: `#!/bin/sh\nexec cat '${join(directory.path, "shown")}'\n` });
  const systemctl = join(directory.path, "systemctl");
  chmodSync(systemctl, 0o755);
  return await examineAccess(
    { mainFile: directory.main, files: filesOf(directory.main, env), systemctl },
    never,
  );
}

/** Everything may be read, but what a test takes away. */
function open(directory: ConfigDirectory, ...files: readonly string[]): void {
  chmodSync(directory.path, 0o755);
  for (const file of files) chmodSync(join(directory.path, file), 0o644);
}

function said(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, text }) => `${severity} ${text}`);
}

const named = `${minimal.replace("http:", "https:")}ca_file = "ca.pem"\ntoken_file = "secrets/token"\n`;

describe("what the service may not read", { skip }, () => {
  test("each file is named, with its key and the cure; of a directory the outermost", async () => {
    using directory = new ConfigDirectory();
    directory.write({
      "flightline.toml": named,
      "ca.pem": "x",
      "secrets/token": "t",
      "conf.d/10.toml": "[clock]\n",
    });
    open(directory, "flightline.toml", "ca.pem", "secrets/token", "conf.d/10.toml");
    assert.deepEqual(said(await examine(directory)), [
      "ok the service runs as nobody, which may read all files of the configuration",
    ]);
    const at = (name: string): string => join(directory.path, name);
    for (const file of ["flightline.toml", "ca.pem"]) chmodSync(at(file), 0o600);
    for (const name of ["secrets", "conf.d"]) chmodSync(at(name), 0o700);
    const found = await examine(directory);
    const by = "cannot be read by nobody, which the service runs as";
    assert.deepEqual(said(found), [
      `failure ${directory.main} ${by}`,
      `failure ${at("conf.d/10.toml")} ${by}: ${at("conf.d")} may not be entered`,
      `failure influxdb.ca_file: ${at("ca.pem")} ${by}`,
      `failure influxdb.token_file: ${at("secrets/token")} ${by}: ${at("secrets")} may not be entered`,
      `failure ${at("conf.d")} ${by}`,
    ]);
    assert.equal(
      found[0]?.hint,
      `sudo chgrp "$(id -g nobody)" ${directory.main} && sudo chmod 640 ${directory.main}`,
    );
    assert.match(found[3]?.hint ?? "", /chmod 750 \S+\/secrets$/);
    const [, , ca] = await examine(directory, { group: "daemon" });
    assert.match(ca?.hint ?? "", /^sudo chgrp daemon /);
  });

  test("a directory of others is not opened: the hint is a copy", async () => {
    using directory = new ConfigDirectory();
    using elsewhere = new ConfigDirectory();
    elsewhere.write({ token: "t" });
    const token = join(elsewhere.path, "token");
    directory.write({ "flightline.toml": `${minimal}token_file = "${token}"\n` });
    open(directory, "flightline.toml");
    const [only] = await examine(directory, { group: "daemon" });
    assert.match(only?.text ?? "", /token cannot be read by nobody, .* may not be entered$/);
    const copy = `sudo install -m 640 -g daemon ${token} ${directory.path}/`;
    assert.equal(only?.hint, `${copy}, and name that copy in influxdb.token_file`);
  });

  test("groups count: the user's own, the unit's, and further ones", async () => {
    using directory = new ConfigDirectory();
    directory.write({ "flightline.toml": minimal });
    open(directory);
    chmodSync(directory.main, 0o640);
    const isOk = async (unit?: Unit): Promise<boolean> =>
      (await examine(directory, unit))[0]?.severity === "ok";
    assert.equal(await isOk(), false);
    chownSync(directory.main, 0, nogroup);
    assert.equal(await isOk(), true);
    chownSync(directory.main, 0, 1);
    assert.deepEqual(
      [await isOk(), await isOk({ group: "daemon" }), await isOk({ groups: "bin daemon" })],
      [false, true, true],
    );
  });

  test("a link is followed to what keeps it from being read", async () => {
    using directory = new ConfigDirectory();
    directory.write({ "flightline.toml": named, "archive/ca1.pem": "x", "secrets/token": "t" });
    symlinkSync("archive/ca1.pem", join(directory.path, "ca.pem"));
    open(directory, "flightline.toml", "archive/ca1.pem", "secrets/token");
    chmodSync(join(directory.path, "archive"), 0o700);
    const [only, ...more] = await examine(directory);
    assert.equal(more.length, 0);
    assert.match(only?.text ?? "", /ca\.pem cannot be read .*: \S+\/archive may not be entered$/);
  });

  test("nothing is said of credentials, of another configuration, of a service of root, and where systemd is silent", async () => {
    using directory = new ConfigDirectory();
    const credential = 'token_file = "${CREDENTIALS_DIRECTORY}/token"\n';
    directory.write({ "flightline.toml": `${minimal}${credential}`, "secrets/token": "t" });
    open(directory, "flightline.toml");
    chmodSync(join(directory.path, "secrets"), 0o700);
    const env = { CREDENTIALS_DIRECTORY: join(directory.path, "secrets") };
    assert.deepEqual(
      (await examine(directory, { env })).map(({ severity }) => severity),
      ["ok"],
    );
    chmodSync(directory.main, 0o600);
    for (const unit of [
      { runs: "/etc/other.toml" },
      { user: "root" },
      { user: "" },
      { user: "no-such-user" },
    ]) {
      assert.deepEqual(await examine(directory, { env, ...unit }), []);
    }
    const files = filesOf(directory.main, env);
    for (const deps of [{ systemctl: "/nowhere/systemctl" }, { isRoot: false }]) {
      assert.deepEqual(await examineAccess({ mainFile: directory.main, files, ...deps }, never), []);
    }
  });
});
