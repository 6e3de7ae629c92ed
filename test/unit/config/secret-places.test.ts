/** Secrets that no configuration should have, in every place for one: they are refused or kept, and shown nowhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkCommand } from "../../../src/cli/check.ts";
import { runCommand } from "../../../src/cli/run.ts";
import type { Io } from "../../../src/cli/io.ts";
import { ConfigDirectory } from "./fixture.ts";

const canary = "hunter2";
const odd = [
  "\n",
  "\r",
  "\r\n",
  "\0",
  "\u001b",
  "\u0085",
  " ",
  "\t",
  "\u00a0",
  "ä",
  "\u2028",
  "💧",
  "\ud7ff",
];

interface Place {
  readonly key: string;
  /** The rest of a configuration that is right without this secret. */
  readonly text: (assignment: string) => string;
  /** Passwords are bytes, tokens are part of a header. */
  readonly isPassword: boolean;
}

function whole(mqtt: string, influxdb: string, route: string): string {
  return [
    `[[mqtt]]\nurl = "mqtt://127.0.0.1:1883"\nusername = "u"\n${mqtt}`,
    `[influxdb]\nurl = "http://127.0.0.1:8181"\ndatabase = "lorawan"\n${influxdb}`,
    `[[route]]\nmatch = { tenant = "a" }\ndatabase = "other"\n${route}`,
  ].join("\n");
}

const places: readonly Place[] = [
  { key: "password", text: (one) => whole(one, "", ""), isPassword: true },
  { key: "token", text: (one) => whole("", one, ""), isPassword: false },
  { key: "query_token", text: (one) => whole("", one, ""), isPassword: false },
  {
    key: "proxy_password",
    text: (one) => whole("", `proxy = "http://127.0.0.1:1"\nproxy_username = "u"\n${one}`, ""),
    isPassword: true,
  },
  {
    key: "proxy_password",
    text: (one) => whole(`proxy = "http://127.0.0.1:1"\nproxy_username = "u"\n${one}`, "", ""),
    isPassword: true,
  },
  { key: "token", text: (one) => whole("", "", one), isPassword: false },
];

async function outputOf(
  directory: ConfigDirectory,
  env: NodeJS.ProcessEnv,
  isRight: boolean,
): Promise<string> {
  const written: string[] = [];
  const keep = (text: string): void => void written.push(text);
  const { signal } = new AbortController();
  const io: Io = { out: keep, err: keep, env, isTerminal: false, signal };
  const codes = [
    await checkCommand({ config: directory.main, json: false }, io),
    await checkCommand({ config: directory.main, json: true }, io),
    ...(isRight ? [] : [await runCommand({ config: directory.main }, io)]),
  ];
  assert.deepEqual(codes, isRight ? [0, 0] : [78, 78, 78], written.join(""));
  return written.join("");
}

test("no output of check and of a refused start has a part of a secret, however odd the secret is", async () => {
  let refused = 0;
  for (const { key, text, isPassword } of places) {
    for (const character of odd) {
      const secret = `${canary}a${character}${canary}b`;
      // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
      const isControl = /[\u0000-\u001f\u007f-\u009f]/.test(character);
      const isRight = isPassword && !isControl;
      const inline = JSON.stringify(secret).replaceAll("\u0085", "\\u0085");
      const ways = [`${key} = ${inline}\n`, `${key}_file = "secret"\n`];
      if (character !== "\0") ways.push(`${key} = "\${SECRET}"\n`);
      for (const way of ways) {
        using directory = new ConfigDirectory();
        directory.write({ "flightline.toml": text(way), secret });
        const output = await outputOf(directory, { SECRET: secret }, isRight);
        assert.ok(!output.includes(canary), `${JSON.stringify(character)}: ${output}`);
        if (isRight) continue;
        refused += 1;
        assert.match(output, new RegExp(`${key}(?:_file)?: contains a `), output);
      }
    }
  }
  assert.ok(refused > 100, `${refused} were refused`);
});

test("a user name or password in the URL of a proxy is refused and not shown", async () => {
  for (const url of [`http://u:${canary}@proxy:3128`, `http://${canary}@proxy`, `proxy:${canary}@b`]) {
    const key = `proxy = "${url}"\n`;
    for (const text of [whole("", key, ""), whole(key, "", "")]) {
      using directory = new ConfigDirectory();
      directory.write({ "flightline.toml": text });
      assert.doesNotMatch(await outputOf(directory, {}, false), /hunter2/);
    }
  }
});
