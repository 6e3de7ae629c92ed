/** A daemon whose way to broker and database is wrong or gone: what its status says. */
import assert from "node:assert/strict";
import dns from "node:dns";
import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { test, type TestContext } from "node:test";
import { createServer as createTls } from "node:tls";
import { AppScene, range } from "../support/app.ts";
import { makeCertificates } from "../support/certificates.ts";
import { listening } from "../support/tcp-server.ts";

/** Names of this test lead to this machine, while DNS answers; others are not asked for. Gives who is not found. */
function ownNames(t: TestContext, names: readonly string[]): Set<string> {
  const lost = new Set<string>();
  t.mock.method(dns, "lookup", (name: string, ...rest: readonly unknown[]) => {
    assert.ok(names.includes(name), `nobody is asked for ${name}`);
    const done = rest.at(-1) as (error: Error | null, found?: unknown, family?: number) => void;
    if (lost.has(name)) {
      const error = Object.assign(new Error(`getaddrinfo EAI_AGAIN ${name}`), { code: "EAI_AGAIN" });
      process.nextTick(done, error);
    } else if ((rest[0] as { readonly all?: boolean }).all === true) {
      process.nextTick(done, null, [{ address: "127.0.0.1", family: 4 }]);
    } else process.nextTick(done, null, "127.0.0.1", 4);
    return undefined;
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return lost;
}

test("when DNS is gone the network comes first, with broker and database behind it, until it is back", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const [broker, influx] = ["broker.example", "influx.example"];
  const lost = ownNames(t, [broker, influx]);
  const at = (url: string, name: string): string => url.replace("127.0.0.1", name);
  const mqtt = `[[mqtt]]\nname = "main"\nurl = "${at(scene.broker.url, broker)}"\n`;
  const life = await scene.start(await scene.config({ mqtt, influxUrl: at(scene.sink.url, influx) }));
  const troubles = async () => {
    const { status } = await life.status();
    return status.troubles
      .filter(({ severity }) => severity === "bad")
      .map(({ where, layer, code, behind }) => [where, layer, code, behind]);
  };
  lost.add(influx);
  await scene.publish(range(1, 3));
  const alone = ["lorawan", "network", "name_lookup_failed", undefined];
  await life.until(async () => (await troubles()).length > 0, "a trouble");
  assert.deepEqual(await troubles(), [alone], "one may be its own fault");

  lost.add(broker);
  await scene.broker.kill();
  await scene.broker.start();
  await life.until(async () => (await troubles()).length === 3, "the network to be named");
  assert.deepEqual(await troubles(), [
    ["network", "network", "dns_silent", undefined],
    ["main", "network", "name_lookup_failed", "network"],
    ["lorawan", "network", "name_lookup_failed", "network"],
  ]);

  lost.clear();
  await life.until(async () => (await troubles()).length === 0, "no trouble any more");
  await life.settled(3);
});

test("a daemon that speaks TLS to a plain broker, and one in plaintext to TLS, say so by name", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const files = makeCertificates();
  t.after(() => files.remove());
  const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
  const secure = await listening(
    t,
    createTls(pair, (socket) => void socket.on("error", () => {})),
  );
  const tables = [
    ["tls", scene.broker.url.replace("mqtt:", "mqtts:")],
    ["plain", `mqtt://127.0.0.1:${secure.port}`],
  ].map(([name, url]) => `[[mqtt]]\nname = "${name}"\nurl = "${url}"\n`);
  const life = scene.open(await scene.config({ mqtt: tables.join("") }));
  life.run();
  const troubles = async () => {
    const { status } = await life.status();
    return new Map(status.troubles.map((trouble) => [trouble.where, trouble]));
  };
  const codes = async () => [(await troubles()).get("tls")?.code, (await troubles()).get("plain")?.code];
  await life.until(
    async () => (await codes()).join(" ") === "tls_server_is_plaintext server_is_tls",
    "causes",
  );
  const said = await troubles();
  assert.match(said.get("tls")?.hint ?? "", /use mqtt:\/\/ in mqtt\.url/);
  assert.match(said.get("plain")?.hint ?? "", /use mqtts:\/\/ in mqtt\.url/);
});
