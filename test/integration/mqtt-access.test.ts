/** What keeps us from a broker, and what the operator is told: passwords, ACLs, TLS, wrong ports, nobody there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { MqttConfig } from "../../src/mqtt/config.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { type Mosquitto, requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig, runSource } from "../support/mqtt-source.ts";
import { publishAll } from "../support/publisher.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort, waitFor } from "../support/wait.ts";

let files: Certificates;
before(() => {
  files = makeCertificates();
});
after(() => {
  files.remove();
});

async function tlsBroker(t: TestContext, requireCertificate: boolean): Promise<Mosquitto | undefined> {
  return await requireMosquitto(t, {
    tls: { caFile: files.ca, certFile: files.serverCert, keyFile: files.serverKey, requireCertificate },
  });
}

test("the right password is let in; a wrong one and none are told which settings to look at", async (t) => {
  const passwordFile = join(files.dir, "passwords");
  execFileSync("mosquitto_passwd", ["-c", "-b", passwordFile, "gateway", "right"], { stdio: "ignore" });
  const broker = await requireMosquitto(t, { passwordFile });
  if (broker === undefined) return;
  const user = { url: broker.url, username: "gateway" };
  for (const protocol of ["5", "3.1.1"] as const) {
    const right = runSource(t, { config: mqttConfig({ ...user, password: new Secret("right"), protocol }) });
    await right.subscribed();
    await right.stop();
    const wrong = runSource(t, { config: mqttConfig({ ...user, password: new Secret("wrong"), protocol }) });
    const none = runSource(t, { config: mqttConfig({ url: broker.url, protocol }), clientId: "nobody" });
    for (const run of [wrong, none]) {
      const fault = await run.faulted("broker_not_authorized");
      assert.equal(fault.disposition, "fatal");
      assert.match(fault.hint ?? "", /username and password_file/);
      assert.equal(fault.message.includes("wrong"), false);
      await run.stop();
    }
  }
});

/** mosquitto's acl_file does not refuse subscriptions; its dynamic security does. Only application/# is allowed. */
function dynamicSecurity(): string[] {
  const path = join(files.dir, "dynamic-security.json");
  const role = {
    rolename: "reader",
    acls: [{ acltype: "subscribePattern", topic: "application/#", priority: 0, allow: true }],
  };
  const access = { publishClientSend: true, publishClientReceive: true, subscribe: false, unsubscribe: true };
  writeFileSync(
    path,
    JSON.stringify({
      defaultACLAccess: access,
      clients: [],
      groups: [{ groupname: "anonymous", roles: [{ rolename: "reader" }], clients: [] }],
      roles: [role],
      anonymousGroup: "anonymous",
    }),
  );
  const plugin = execFileSync("find", ["/usr/lib", "-name", "mosquitto_dynamic_security.so"])
    .toString()
    .trim();
  return [`plugin ${plugin}`, `plugin_opt_config_file ${path}`];
}

test("a filter that the broker's ACL refuses is named while the others work", async (t) => {
  const broker = await requireMosquitto(t, { extraLines: dynamicSecurity() });
  if (broker === undefined) return;
  for (const protocol of ["5", "3.1.1"] as const) {
    const topics = ["application/a", "secret/#", "application/b"];
    const run = runSource(t, {
      config: mqttConfig({ url: broker.url, topics, protocol }),
      clientId: protocol,
    });
    await run.subscribed();
    const fault = run.fault("broker_subscription_refused");
    assert.match(fault.message, /secret\/#/);
    assert.doesNotMatch(fault.message, /application/);
    const messages = ["application/a", "secret/x", "application/b"].map((topic) => ({
      topic,
      payload: topic,
    }));
    await publishAll({ url: broker.url, messages });
    await run.received(2);
    assert.deepEqual(run.texts, ["application/a", "application/b"]);
  }
});

test("when all filters are refused that is a fault, said once and tried again", async (t) => {
  const broker = await requireMosquitto(t, { extraLines: dynamicSecurity() });
  if (broker === undefined) return;
  const run = runSource(t, { config: mqttConfig({ url: broker.url, topics: ["secret/#", "x"] }) });
  await run.faulted("broker_subscription_refused");
  await waitFor(() => run.source.status.connects >= 3, { what: "two more attempts" });
  assert.deepEqual(run.faultCodes, ["broker_subscription_refused"]);
  assert.notEqual(run.source.status.state, "connected");
});

test("TLS with our own CA, with a client certificate, and by another name", async (t) => {
  const broker = await tlsBroker(t, true);
  if (broker === undefined) return;
  const url = broker.tlsUrl ?? "";
  const own = { caFile: files.ca, certFile: files.clientCert, keyFile: files.clientKey, verify: true };
  const byName = runSource(t, { config: mqttConfig({ url, tls: own }) });
  await byName.subscribed();
  await publishAll({ url: broker.url, messages: [{ topic: "application/a", payload: "over TLS" }] });
  await byName.received(1);
  assert.deepEqual(byName.texts, ["over TLS"]);

  const wrongName = runSource(t, {
    config: mqttConfig({ url, tls: { ...own, serverName: "broker.example" } }),
    clientId: "wrong-name",
  });
  const fault = await wrongName.faulted("tls_wrong_name");
  assert.match(fault.message, /DNS:localhost/);
  assert.match(fault.hint ?? "", /mqtt\.server_name/);
});

test("TLS trouble is told by its cause", async (t) => {
  const broker = await tlsBroker(t, true);
  if (broker === undefined) return;
  const url = broker.tlsUrl ?? "";
  const ca = { caFile: files.ca, verify: true };
  const weakKey = join(files.dir, "weak.key");
  const weakCert = join(files.dir, "weak.pem");
  const weak = ["-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=weak", "-days", "2"];
  execFileSync("openssl", ["req", ...weak, "-keyout", weakKey, "-out", weakCert], { stdio: "ignore" });
  const cases: readonly (readonly [RegExp, Partial<MqttConfig>])[] = [
    [/^tls_unknown_ca$/, { tls: { verify: true } }],
    [/^tls_unknown_ca$/, { tls: { caFile: files.otherCert, verify: true } }],
    [/^tls_client_certificate_needed$/, { tls: ca }],
    [
      /^tls_client_certificate_refused$/,
      { tls: { ...ca, certFile: files.otherCert, keyFile: files.otherKey } },
    ],
    // OpenSSL throws this when the connection is made, not when it fails.
    [/^tls_failed$/, { tls: { ...ca, certFile: weakCert, keyFile: weakKey } }],
    [/^tls_file_unreadable$/, { tls: { caFile: join(files.dir, "absent.pem"), verify: true } }],
    // Whether mosquitto's end arrives as FIN or RST is a matter of timing; what a probe finds is not.
    [/^tls_server_is_plaintext$/, { url: broker.url.replace("mqtt:", "mqtts:"), tls: ca }],
    [/^server_is_tls$/, { url: url.replace("mqtts:", "mqtt:") }],
  ];
  await Promise.all(
    cases.map(async ([code, changes], index) => {
      const run = runSource(t, { config: mqttConfig({ url, ...changes }), clientId: `case-${index}` });
      await waitFor(() => run.log.faults.length > 0, { what: String(code) });
      const [first] = run.log.faults;
      assert.match(first?.fault.code ?? "", code);
      assert.notEqual(first?.fault.hint ?? "", "");
    }),
  );
});

test("a certificate that is put right is picked up without a restart", async (t) => {
  const broker = await tlsBroker(t, false);
  if (broker === undefined) return;
  const caFile = join(files.dir, "later.pem");
  t.after(() => {
    rmSync(caFile, { force: true });
  });
  const run = runSource(t, {
    config: mqttConfig({ url: broker.tlsUrl ?? "", tls: { caFile, verify: true } }),
  });
  await run.faulted("tls_file_unreadable");
  execFileSync("cp", [files.ca, caFile]);
  await run.subscribed();
});

test("a port where no MQTT is spoken is told from a broker that is down", async (t) => {
  const { port: http } = await listening(t, createHttpServer());
  const { port: silent } = await listening(t, createServer());
  const run = {
    http: runSource(t, { config: mqttConfig({ url: `mqtt://127.0.0.1:${http}` }) }),
    silent: runSource(t, {
      config: mqttConfig({ url: `mqtt://127.0.0.1:${silent}`, connectTimeoutMs: 300 }),
    }),
    silentTls: runSource(t, {
      config: mqttConfig({ url: `mqtts://127.0.0.1:${silent}`, connectTimeoutMs: 300 }),
    }),
    absent: runSource(t, { config: mqttConfig({ url: `mqtt://127.0.0.1:${await freePort()}` }) }),
  };
  const startMs = performance.now();
  const silences = [await run.silent.faulted("server_silent"), await run.silentTls.faulted("server_silent")];
  assert.ok(performance.now() - startMs >= 250, "not before the time is over");
  for (const { cause } of silences) {
    assert.ok(cause instanceof Fault && cause.code === "broker_silent");
    assert.match(cause.message, /within 0\.3 s/);
  }
  assert.match((await run.http.faulted("server_is_http")).message, /is an HTTP server and no MQTT broker/);
  await run.absent.faulted("connection_refused");
});

test("while nobody listens there is one log line a minute, and the broker is found when it comes", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await broker.stop();
  let draws = 0;
  const random = (): number => {
    draws += 1;
    return 0.01;
  };
  const run = runSource(t, { config: mqttConfig({ url: broker.url }), random });
  await waitFor(() => draws >= 8, { what: "eight attempts" });
  assert.deepEqual(run.faultCodes, ["connection_refused"]);
  assert.equal(run.source.status.lastFault?.code, "connection_refused");
  await broker.start();
  await run.subscribed();
  assert.equal(run.source.status.lastFault, undefined);
});
