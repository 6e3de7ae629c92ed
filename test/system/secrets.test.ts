/** A daemon whose broker, proxy and database all refuse it: its log, its status and its errors have no secret in them. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connectProxy } from "../support/connect-proxy.ts";
import { Program } from "../support/daemon.ts";
import { serve } from "../support/influx-http.ts";
import { freePort, waitFor } from "../support/wait.ts";

const canary = "hunter2";

test("no log line and no status has a secret in it, with or without a proxy that repeats what it was sent", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "flightline-secrets-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const proxy = await connectProxy(t, { answer: (head) => `HTTP/1.1 407 ${head}` });
  // Repeats the token.
  const influx = await serve(t, (response, { headers }) => {
    response.writeHead(401).end(JSON.stringify({ error: `no: ${headers.authorization}`, ...headers }));
  });
  const asked = `proxy = "${proxy.url}"\nproxy_username = "u"\nproxy_password = "${canary}: ä"\n`;
  const watch = async (through: string): Promise<void> => {
    const home = mkdtempSync(join(dir, "home-"));
    const runtime = join(home, "run");
    mkdirSync(runtime);
    const config = join(home, "flightline.toml");
    const brokerPort = await freePort();
    writeFileSync(
      config,
      [
        `[[mqtt]]\nurl = "mqtt://127.0.0.1:${brokerPort}"\nusername = "u"\npassword = "${canary} 💧"\n${through}`,
        `[journal]\ndir = "${home}/data"\ncommit_interval = "20ms"`,
        `[influxdb]\nurl = "${influx.url}"\ndatabase = "a"\ntoken = "${canary}-t"\nquery_token = "${canary}-q"\n${through}`,
        `[[route]]\nmatch = { tenant = "a" }\ndatabase = "b"\ntoken = "${canary}-r"`,
        '[telemetry]\nnode_interval = "10s"',
        '[log]\nlevel = "debug"\nformat = "json"',
      ].join("\n"),
    );
    const env = { RUNTIME_DIRECTORY: runtime };
    await using daemon = new Program({ args: ["run", "-c", config], env });
    const codes =
      through === ""
        ? ["connection_refused", "write_"]
        : ["mqtt.proxy_username and", "influxdb.proxy_username and"];
    await waitFor(() => codes.every((code) => daemon.stdout.includes(code)), {
      what: "the faults of the broker and of the database",
      timeoutMs: 30_000,
    });
    const outputs = [daemon.stdout, daemon.stderr];
    for (const more of [[], ["--json"]]) {
      await using status = new Program({ args: ["status", "-c", config, ...more], env });
      await status.ended;
      assert.ok(status.stdout.length > 100, status.stderr);
      outputs.push(status.stdout, status.stderr);
    }
    const basic = Buffer.from(`u:${canary}: ä`).toString("base64");
    for (const output of outputs) assert.ok(!output.includes(canary) && !output.includes(basic), output);
  };
  await Promise.all([watch(""), watch(asked)]);
  assert.ok(proxy.heads.length > 0 && influx.received.length > 0);
});
