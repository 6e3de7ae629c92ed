import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { Secret } from "../../../src/lib/secret.ts";
import type { MqttConfig } from "../../../src/mqtt/config.ts";
import { connectOptions, statePayload } from "../../../src/mqtt/connect-options.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { mqttConfig } from "../../support/mqtt-source.ts";

const plain = mqttConfig({ url: "mqtt://broker" });

function options(changes: Partial<MqttConfig>, version: 4 | 5 = 5): ReturnType<typeof connectOptions> {
  return connectOptions({ ...plain, ...changes }, "id", version);
}

void suite("what CONNECT says", () => {
  test("the session is kept: never a clean start, and in MQTT 5 with an expiry in seconds", () => {
    const five = options({ sessionExpiryMs: 7 * 86_400_000, receiveMaximum: 1000 });
    assert.deepEqual(
      [five.clean, five.properties],
      [false, { sessionExpiryInterval: 604_800, receiveMaximum: 1000, maximumPacketSize: 16 * 1024 * 1024 }],
    );
    const older = options({}, 4);
    assert.deepEqual([older.clean, older.properties, older.protocolVersion], [false, undefined, 4]);
  });

  test("reconnecting and subscribing again are ours, not the library's", () => {
    const { reconnectPeriod, resubscribe, clientId } = options({});
    assert.deepEqual([reconnectPeriod, resubscribe, clientId], [0, false, "id"]);
  });

  test("our own deadline for connecting comes before the library's", () => {
    assert.ok((options({ connectTimeoutMs: 5000 }).connectTimeout ?? 0) > 5000);
  });

  test("the keepalive is whole seconds and never 0, which would turn it off", () => {
    const seconds = [1000, 1499, 30_000, 64_800_000].map((keepaliveMs) => options({ keepaliveMs }).keepalive);
    assert.deepEqual(seconds, [1, 1, 30, 64_800]);
    assert.equal(options({ keepaliveMs: 1 }).keepalive, 1);
  });

  test("the last will is a retained offline on the state topic, and absent without one", () => {
    assert.deepEqual(options({ stateTopic: "flightline/a/state" }).will, {
      topic: "flightline/a/state",
      payload: Buffer.from('{"state":"offline"}'),
      qos: 1,
      retain: true,
    });
    assert.equal("will" in options({ stateTopic: "" }), false);
    assert.equal(statePayload("online").toString(), '{"state":"online"}');
  });

  test("user name and password are there when configured, and only then", () => {
    const { username, password } = options({ username: "u", password: new Secret("p") });
    assert.deepEqual([username, password], ["u", "p"]);
    assert.equal("username" in options({}) || "password" in options({}), false);
  });
});

void suite("the TLS keys", () => {
  let files: Certificates;
  before(() => {
    files = makeCertificates();
  });
  after(() => {
    files.remove();
  });

  test("mqtts:// gets CA, client certificate and server name, and verifies", () => {
    const tls = {
      caFile: files.ca,
      certFile: files.clientCert,
      keyFile: files.clientKey,
      serverName: "broker.example",
      verify: true,
    };
    const made = options({ url: "mqtts://broker", tls });
    assert.equal(made.servername, "broker.example");
    assert.equal(made.rejectUnauthorized, true);
    assert.match(String(made.ca), /BEGIN CERTIFICATE/);
    assert.match(String(made.cert), /BEGIN CERTIFICATE/);
    assert.match(String(made.key), /PRIVATE KEY/);
    assert.equal(options({ url: "mqtts://broker", tls: { verify: false } }).rejectUnauthorized, false);
  });

  test("mqtt:// stays plaintext: a certificate would make the library speak TLS", () => {
    const tls = { certFile: files.clientCert, keyFile: files.clientKey, verify: true };
    const made = options({ url: "mqtt://broker", tls });
    assert.equal("cert" in made || "key" in made || "ca" in made, false);
  });

  test("an unreadable file is a passing fault", () => {
    const tls = { caFile: "/absent.pem", verify: true };
    assert.throws(
      () => options({ url: "mqtts://broker", tls }),
      (error) =>
        error instanceof Fault && error.code === "tls_file_unreadable" && error.disposition === "retry",
    );
  });
});
