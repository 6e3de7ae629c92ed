/** What is made of a broker's answers: CONNACK, events, versions, certificates. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bugsOf, firstWithout, type Version } from "../../../src/doctor/broker-bugs.ts";
import { tellConnack, type ConnackProperties } from "../../../src/doctor/broker-connack.ts";
import { Heard, isProven, tellEvents, type DaemonSource } from "../../../src/doctor/broker-events.ts";
import { tellAbout, type Told } from "../../../src/doctor/broker-version.ts";
import { tellWay } from "../../../src/doctor/broker-way.ts";
import type { Finding } from "../../../src/doctor/finding.ts";
import { Lines } from "../../../src/doctor/lines.ts";
import { Secret } from "../../../src/lib/secret.ts";
import type { MqttConfig } from "../../../src/mqtt/config.ts";
import type { ProbeReport } from "../../../src/net/probe-report.ts";
import { mqttConfig } from "../../support/mqtt-source.ts";

const url = "mqtt://broker.example:1883";

function told(tell: (lines: Lines) => void): Finding[] {
  const findings: Finding[] = [];
  tell(new Lines("broker.mqtt", [], (finding) => findings.push(finding)));
  return findings;
}

/** "severity code" of each, of one check. */
function verdicts(findings: readonly Finding[], check: string): string[] {
  return findings
    .filter((finding) => finding.check === `broker.mqtt.${check}`)
    .map(({ severity, code }) => (code === undefined ? severity : `${severity} ${code}`));
}

function one(findings: readonly Finding[], check: string): Finding {
  const [found, ...more] = findings.filter((finding) => finding.check === `broker.mqtt.${check}`);
  assert.ok(found !== undefined && more.length === 0, JSON.stringify(findings));
  return found;
}

describe("CONNACK", () => {
  const of = (
    properties: ConnackProperties,
    changes: Partial<MqttConfig> = {},
    version: 4 | 5 = 5,
  ): Finding[] => told((lines) => tellConnack(mqttConfig({ url, ...changes }), version, properties, lines));

  test("a broker that grants all is fine, whether it says so or is silent", () => {
    for (const properties of [{}, { sessionExpiryInterval: 3600, maximumQoS: 1, receiveMaximum: 20 }]) {
      assert.deepEqual(verdicts(of(properties), "protocol"), ["ok"]);
    }
    assert.match(
      one(of({ serverKeepAlive: 300 }), "protocol").text,
      /keep-alive 5 minutes, as the broker wants it/,
    );
  });

  test("each limit that costs messages is told, with its severity", () => {
    const week = { sessionExpiryMs: 7 * 86_400_000 };
    const cases: readonly (readonly [ConnackProperties, Partial<MqttConfig>, readonly string[]])[] = [
      [{ maximumQoS: 0 }, {}, ["failure broker_maximum_qos"]],
      [{ sessionExpiryInterval: 0 }, {}, ["failure broker_no_sessions"]],
      [{ sessionExpiryInterval: 7200 }, week, ["warning broker_session_shortened"]],
      [{ sharedSubscriptionAvailable: false }, {}, ["ok"]],
      [
        { sharedSubscriptionAvailable: false },
        { topics: ["$share/a/b"] },
        ["failure broker_filter_unavailable"],
      ],
      [{ wildcardSubscriptionAvailable: false }, { topics: ["a/b"] }, ["ok"]],
      [{ wildcardSubscriptionAvailable: false }, { topics: ["a/+"] }, ["failure broker_filter_unavailable"]],
      [{ retainAvailable: false }, { stateTopic: "" }, ["ok"]],
      [{ retainAvailable: false }, { stateTopic: "a/state" }, ["failure broker_no_retain"]],
      [{ maximumPacketSize: 4096 }, {}, ["warning"]],
      [{ maximumPacketSize: 2_000_000 }, {}, ["ok"]],
      [
        { maximumQoS: 0, retainAvailable: false },
        { stateTopic: "s" },
        ["failure broker_maximum_qos", "failure broker_no_retain"],
      ],
    ];
    for (const [properties, changes, expected] of cases) {
      assert.deepEqual(verdicts(of(properties, changes), "protocol"), expected, JSON.stringify(properties));
    }
    const shortened = one(of({ sessionExpiryInterval: 7200 }, week), "protocol");
    assert.match(shortened.text, /for 2 hours of the 7 days asked for/);
  });

  test("whole seconds are not a shortened session", () => {
    assert.deepEqual(verdicts(of({ sessionExpiryInterval: 90 }, { sessionExpiryMs: 90_400 }), "protocol"), [
      "ok",
    ]);
  });

  test("MQTT 3.1.1 is told with its reason, and without limits that it cannot have", () => {
    assert.match(one(of({}, { protocol: "3.1.1" }, 4), "protocol").text, /3\.1\.1 \(as configured\)/);
    const fallen = of({}, {}, 4);
    assert.match(one(fallen, "protocol").text, /the broker does not speak 5/);
    assert.match(one(fallen, "receive_maximum").text, /max_inflight_messages/);
  });
});

describe("events", () => {
  const uplink = "application/1/device/2/event/up";
  const stats = "eu868/gateway/0016c001f153a14c/event/stats";
  type Taken = readonly [topic: string, qos: 0 | 1, retain?: boolean];
  const of = (taken: readonly Taken[], daemon?: DaemonSource): Finding[] => {
    const heard = new Heard("flightline/n/state");
    for (const [topic, qos, retain = false] of taken) heard.take({ topic, qos, retain });
    return told((lines) => tellEvents(heard, 6000, daemon, lines));
  };
  const counted = (qos0: number, qos1: number): DaemonSource => ({
    state: "connected",
    received: { qos0, qos1 },
  });

  test("at QoS 1 they are safe", () => {
    assert.match(one(of([[uplink, 1]]), "qos").text, /^QoS 1: 1 event in 6 s$/);
  });

  test("at QoS 0 the one who has to be told is the one who publishes them", () => {
    const [application, gateway, ...more] = of([
      [uplink, 0],
      [stats, 0],
      ["gateway/1/state/conn", 0],
      [uplink, 1],
    ]);
    assert.equal(more.length, 0);
    assert.match(application?.text ?? "", /^1 event at QoS 0 .*application\/1/);
    assert.match(application?.hint ?? "", /\[integration\.mqtt\] of chirpstack\.toml/);
    assert.match(gateway?.text ?? "", /^2 events at QoS 0 .*eu868\/gateway/);
    assert.match(gateway?.hint ?? "", /chirpstack-mqtt-forwarder\.toml/);
  });

  test("retained messages, and the daemon's own state, prove nothing", () => {
    const silent = one(
      of([
        [uplink, 1, true],
        [stats, 0, true],
        ["flightline/n/state", 1],
      ]),
      "qos",
    );
    assert.equal(silent.severity, "skipped");
    assert.match(silent.text, /no event came in 6 s/);
  });

  test("what a running daemon has counted tells more than silence", () => {
    assert.deepEqual(verdicts(of([], counted(0, 7)), "qos"), ["ok"]);
    const mixed = one(of([], counted(3, 7)), "qos");
    assert.equal(mixed.severity, "warning");
    assert.match(mixed.text, /^3 of 10 events came at QoS 0/);
    assert.deepEqual(verdicts(of([], counted(0, 0)), "qos"), ["warning"]);
    assert.match(one(of([], counted(0, 0)), "qos").hint ?? "", /ACL/);
    assert.deepEqual(verdicts(of([], { state: "connected" }), "qos"), ["skipped"]);
    // What is heard now outdoes what was counted.
    assert.match(one(of([[uplink, 0]], counted(0, 7)), "qos").text, /at QoS 0/);
  });

  test("nobody need listen only where the daemon has seen QoS 1 and nothing else", () => {
    const proven = [undefined, { state: "connected" } as const, counted(0, 0), counted(1, 5), counted(0, 1)];
    assert.deepEqual(proven.map(isProven), [false, false, false, false, true]);
  });
});

describe("versions", () => {
  const of = (about: Told): Finding[] => told((lines) => tellAbout(about, lines));

  test("a bug counts from the version that brought it to the one before its cure", () => {
    const count = (...version: Version): number => bugsOf("mosquitto", version).length;
    assert.deepEqual(
      [count(1, 5, 11), count(2, 0, 11), count(2, 0, 12), count(2, 0, 15), count(2, 0, 16), count(2, 0, 17)],
      [0, 2, 3, 1, 2, 2],
    );
    assert.deepEqual([count(2, 0, 22), count(2, 0, 23), count(2, 1, 2)], [1, 0, 0]);
    assert.deepEqual(bugsOf("EMQX", [2, 0, 11]), []);
    assert.deepEqual(firstWithout(bugsOf("mosquitto", [2, 0, 12])), [2, 0, 23]);
  });

  test("a bug that only some configurations have is told with its condition, and alone is no warning", () => {
    for (const patch of [16, 18, 21, 22]) {
      const found = one(of({ version: `mosquitto version 2.0.${patch}` }), "version");
      assert.equal(found.severity, "ok");
      assert.match(
        found.text,
        /: only with per_listener_settings true, it keeps no messages .* 2\.0\.23 on$/,
      );
    }
    const both = one(of({ version: "mosquitto version 2.0.14" }), "version");
    assert.equal(both.severity, "warning");
    assert.match(both.text, /expire in a queue .*; only with per_listener_settings true/);
  });

  test("mosquitto and EMQX are known by how they say it, others are quoted", () => {
    const old = one(of({ version: "mosquitto version 2.0.12" }), "version");
    assert.equal(old.severity, "warning");
    assert.match(old.hint ?? "", /update it to 2\.0\.23/);
    assert.equal(one(of({ version: "mosquitto version 2.1.2" }), "version").severity, "ok");
    assert.equal(one(of({ version: "5.7.0", isEmqx: true }), "version").severity, "warning");
    assert.match(one(of({ version: "5.8.4", isEmqx: true }), "version").text, /^EMQX 5\.8\.4, without/);
    assert.match(one(of({ version: "Otherbroker 2.0.11" }), "version").text, /^Otherbroker 2\.0\.11; no bug/);
    assert.deepEqual(verdicts(of({}), "version"), ["skipped"]);
  });

  test("messages that mosquitto has dropped are told with their number", () => {
    const about = { version: "mosquitto version 2.1.2" };
    assert.equal(one(of({ ...about, dropped: 0 }), "queue").severity, "ok");
    assert.equal(one(of(about), "queue").severity, "ok");
    const dropped = one(of({ ...about, dropped: 17 }), "queue");
    assert.equal(dropped.severity, "warning");
    assert.match(dropped.text, /dropped 17/);
    assert.deepEqual(verdicts(of({ version: "Otherbroker 1.2.3", dropped: 3 }), "queue"), ["skipped"]);
  });
});

describe("the way", () => {
  const dayMs = 86_400_000;
  const startedAtMs = Date.UTC(2030, 0, 1);
  const base: ProbeReport = {
    speaks: "mqtt",
    usesTls: false,
    startedAtMs,
    ms: 5,
    resolve: { ms: 1, addresses: ["192.0.2.7"] },
    connect: { ms: 1, attempts: [{ address: "192.0.2.7", ms: 1 }] },
    plaintext: { ms: 1, answers: [{ ms: 1, asked: "mqtt", heard: "mqtt", bytes: 4, end: "answered" }] },
  };
  const of = (report: ProbeReport, changes: Partial<MqttConfig> = {}): Finding[] =>
    told((lines) => void tellWay(mqttConfig({ url, ...changes }), report, lines));
  const validFor = (days: number, distrust?: string): ProbeReport => ({
    ...base,
    usesTls: true,
    tls: {
      ms: 1,
      bytes: 1000,
      protocol: "TLSv1.3",
      chain: [1000, days].map((left) => ({
        subject: "CN=x",
        issuer: "CN=issuer",
        names: "DNS:broker.example",
        validFromMs: 0,
        validToMs: startedAtMs + left * dayMs,
        sha256: "",
      })),
      isVerified: distrust === undefined,
      mustVerify: distrust === undefined,
      distrust,
      asksForCertificate: false,
      hasCertificate: false,
    },
    inside: { ms: 1, asked: "mqtt", heard: "mqtt", bytes: 4, end: "answered" },
  });

  test("a password in plaintext is a warning unless it stays on this machine or in a private network", () => {
    const password = { password: new Secret("xyzzy") };
    const far = one(of(base, password), "tls");
    assert.equal(far.severity, "warning");
    assert.match(far.hint ?? "", /mqtts:\/\//);
    assert.equal(JSON.stringify(far).includes("xyzzy"), false);
    assert.equal(one(of(base), "tls").severity, "ok");
    for (const address of ["127.0.0.1", "127.1.2.3", "::1"]) {
      const near = { ...base, resolve: { ms: 1, addresses: [address] } };
      assert.equal(one(of(near, password), "tls").severity, "ok", address);
    }
    const both = { ...base, resolve: { ms: 1, addresses: ["127.0.0.1", "192.0.2.7"] } };
    assert.equal(one(of(both, password), "tls").severity, "warning");
    const house = { ...base, resolve: { ms: 1, addresses: ["192.168.1.7", "fd12::7"] } };
    assert.match(one(of(house, password), "tls").text, /the password travels within private addresses only/);
    assert.equal(one(of(house, password), "tls").severity, "ok");
  });

  test("a certificate is told with issuer and end, and is a warning in its last 14 days", () => {
    const fine = one(of(validFor(14), { url: "mqtts://broker.example" }), "tls");
    assert.equal(fine.severity, "ok");
    assert.match(fine.text, /TLSv1\.3, certificate issued by CN=issuer, valid until 2030-01-15/);
    const soon = one(of(validFor(13.9), { url: "mqtts://broker.example" }), "tls");
    assert.equal(soon.severity, "warning");
    assert.match(soon.text, /expires in 13\.9 days/);
  });

  test("a certificate that nobody looks at is a warning", () => {
    const tls = { verify: false };
    const found = one(of(validFor(100, "CERT_HAS_EXPIRED"), { url: "mqtts://broker.example", tls }), "tls");
    assert.equal(found.severity, "warning");
    assert.match(found.text, /CERT_HAS_EXPIRED/);
  });

  test("a name and a port that fail end the way there", () => {
    const unknown = of({
      ...base,
      resolve: { ms: 1, addresses: [], why: "no_such_name" },
      connect: undefined,
    });
    assert.deepEqual(
      unknown.map(({ check, severity }) => [check, severity]),
      [["broker.mqtt.name", "failure"]],
    );
    const attempts = [{ address: "192.0.2.7", ms: 1, failure: "ECONNREFUSED" }];
    const refused = of({ ...base, connect: { ms: 1, attempts } });
    assert.deepEqual(verdicts(refused, "tcp"), ["failure connection_refused"]);
    assert.deepEqual(verdicts(refused, "tls"), []);
  });
});
