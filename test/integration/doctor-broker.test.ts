/** What `flightline doctor` finds at real brokers: passwords, ACLs, TLS, QoS, and brokers that behave badly. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import mqtt from "mqtt";
import mqttPacket, { type IConnackPacket, type Packet } from "mqtt-packet";
import { examineBroker, type BrokerDeps } from "../../src/doctor/broker.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { MqttConfig } from "../../src/mqtt/config.ts";
import { startBroker } from "../../src/sandbox/broker.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig } from "../support/mqtt-source.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort } from "../support/wait.ts";

let files: Certificates;
before(() => {
  files = makeCertificates();
});
after(() => {
  files.remove();
});

class Examined {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    this.findings = findings;
  }

  /** The only line of a check. */
  one(check: string): Finding {
    const [found, ...more] = this.findings.filter((finding) => finding.check === `broker.mqtt.${check}`);
    assert.ok(
      found !== undefined && more.length === 0,
      `${check}: ${JSON.stringify(this.findings, null, 1)}`,
    );
    return found;
  }

  /** What is neither fine nor left out, as "check severity code". */
  get complaints(): string[] {
    return this.findings
      .filter(({ severity }) => severity === "failure" || severity === "warning")
      .map(({ check, severity, code }) =>
        [check.replace("broker.mqtt.", ""), severity, code ?? ""].join(" ").trim(),
      );
  }
}

type Options = Partial<MqttConfig> & { readonly url: string };

async function examine(options: Options, deps: BrokerDeps = {}): Promise<Examined> {
  const findings: Finding[] = [];
  const quick = { listenMs: 50, ...deps };
  const report = (finding: Finding): void => {
    findings.push(finding);
  };
  await examineBroker(mqttConfig(options), quick)(report, new AbortController().signal);
  return new Examined(findings);
}

/** The version of mosquitto that is tried may have bugs of its own, and nobody publishes here. */
function beside(complaints: readonly string[], ...expected: readonly string[]): string[] {
  return complaints.filter((complaint) => !["version warning", ...expected].includes(complaint));
}

const all = "name tcp tls connect protocol receive_maximum subscribe session qos version queue".split(" ");

test("a broker that is as it should be has one line for each check, in their order", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  for (const protocol of ["5", "3.1.1"] as const) {
    const found = await examine({ url: broker.url, protocol });
    const checks = found.findings.map(({ check }) => check.replace("broker.mqtt.", ""));
    assert.deepEqual(checks, all);
    assert.deepEqual(beside(found.complaints), []);
    assert.match(found.one("version").text, /^mosquitto \d+\.\d+\.\d+/);
    assert.match(found.one("queue").text, /max_queued_messages/);
    assert.match(found.one("session").text, /found again/);
  }
});

test("aedes, as the sandbox has it, speaks MQTT 3.1.1, keeps sessions and tells no version", async (t) => {
  const broker = await startBroker({ port: 0 });
  t.after(async () => {
    await broker.stop();
  });
  const found = await examine({ url: broker.url });
  assert.deepEqual(found.complaints, []);
  assert.match(found.one("protocol").text, /3\.1\.1 \(the broker does not speak 5\)/);
  assert.equal(found.one("version").severity, "skipped");
});

describe("who may connect", () => {
  test("a wrong password is a failure that names the settings, and shows nothing of the password", async (t) => {
    const passwordFile = join(files.dir, "passwords");
    execFileSync("mosquitto_passwd", ["-c", "-b", passwordFile, "gateway", "right"], { stdio: "ignore" });
    const broker = await requireMosquitto(t, { passwordFile });
    if (broker === undefined) return;
    const user = { url: broker.url, username: "gateway" };
    for (const protocol of ["5", "3.1.1"] as const) {
      const wrong = await examine({ ...user, password: new Secret("xyzzy"), protocol });
      assert.deepEqual(wrong.complaints, ["connect failure broker_not_authorized"]);
      assert.match(
        wrong.one("connect").hint ?? "",
        /username and password_file.*binds the user to the daemon's client id/,
      );
      assert.match(wrong.one("session").text, /not tried: no connection/);
      assert.doesNotMatch(JSON.stringify(wrong.findings), /xyzzy/);
      const right = await examine({ ...user, password: new Secret("right"), protocol });
      assert.deepEqual(beside(right.complaints), []);
    }
  });

  test("a broker that binds the client id is recognised by the daemon that it lets in", async (t) => {
    const broker = await requireMosquitto(t, { extraLines: ["clientid_prefixes flightline-0"] });
    if (broker === undefined) return;
    const alone = await examine({ url: broker.url });
    assert.deepEqual(alone.complaints, ["connect failure broker_not_authorized"]);
    const away = await examine({ url: broker.url }, { daemon: { state: "waiting" } });
    assert.deepEqual(away.complaints, ["connect failure broker_not_authorized"]);
    const connected = await examine({ url: broker.url }, { daemon: Promise.resolve({ state: "connected" }) });
    assert.deepEqual(connected.complaints, ["connect warning broker_client_id_bound"]);
  });

  test("with a client id that is configured, the examination's begins with it", async (t) => {
    const broker = await requireMosquitto(t, { extraLines: ["clientid_prefixes site7-"] });
    if (broker === undefined) return;
    const found = await examine({ url: broker.url, clientId: "site7-gateway" });
    assert.equal(found.one("connect").severity, "ok");
  });

  test("a topic that is refused is named, and the others are tried all the same", async (t) => {
    const url = await scripted(t, { refuse: "secret/#" });
    const [found, none] = await Promise.all([
      examine({ url, topics: ["application/#", "secret/#"] }),
      examine({ url, topics: ["secret/#"] }),
    ]);
    assert.match(found.one("subscribe").text, /secret\/#/);
    assert.doesNotMatch(found.one("subscribe").text, /application/);
    assert.equal(found.one("subscribe").code, "broker_subscription_refused");
    assert.equal(found.one("session").severity, "ok");
    assert.match(none.one("session").text, /no topic is granted/);
    assert.equal(none.one("qos").severity, "skipped");
  });
});

describe("TLS", () => {
  const tls = (): { caFile: string; certFile: string; keyFile: string } => ({
    caFile: files.ca,
    certFile: files.serverCert,
    keyFile: files.serverKey,
  });

  test("is told with its issuer and its last days; a wrong port and an unknown authority by their causes", async (t) => {
    const broker = await requireMosquitto(t, { tls: tls() });
    if (broker?.tlsUrl === undefined) return;
    const own = { caFile: files.ca, verify: true };
    // They are made for two days, and fresh.
    const good = await examine({ url: broker.tlsUrl, tls: own });
    assert.deepEqual(beside(good.complaints), []);
    assert.match(good.one("tls").text, /certificate issued by CN=ca, valid until/);
    assert.equal(good.one("session").severity, "ok");
    const cases: readonly (readonly [Options, string])[] = [
      [{ url: broker.tlsUrl, tls: { verify: true } }, "tls failure tls_unknown_ca"],
      [{ url: broker.tlsUrl.replace("mqtts:", "mqtt:") }, "tls failure server_is_tls"],
      [{ url: broker.url.replace("mqtt:", "mqtts:"), tls: own }, "tls failure tls_server_is_plaintext"],
    ];
    for (const [options, complaint] of cases) {
      const found = await examine(options);
      assert.deepEqual(found.complaints, [complaint]);
      assert.match(found.one("connect").text, /not tried: no connection/);
    }
  });

  test("a client certificate that the broker wants is asked for", async (t) => {
    const broker = await requireMosquitto(t, { tls: { ...tls(), requireCertificate: true } });
    if (broker?.tlsUrl === undefined) return;
    const ca = { caFile: files.ca, verify: true };
    const without = await examine({ url: broker.tlsUrl, tls: ca });
    assert.deepEqual(without.complaints, ["tls failure tls_client_certificate_needed"]);
    const pair = { certFile: files.clientCert, keyFile: files.clientKey };
    const found = await examine({ url: broker.tlsUrl, tls: { ...ca, ...pair } });
    assert.equal(found.one("connect").severity, "ok");
  });
});

describe("QoS", () => {
  /** Publishes all the time that an examination takes. */
  async function during(
    url: string,
    packets: readonly [topic: string, qos: 0 | 1, retain?: boolean][],
    deps = {},
  ): Promise<Examined> {
    const client = await mqtt.connectAsync(url, { protocolVersion: 4 });
    const timer = setInterval(() => {
      for (const [topic, qos, retain = false] of packets) client.publish(topic, "{}", { qos, retain });
    }, 10);
    try {
      return await examine(
        { url, topics: ["application/#", "+/gateway/+/event/stats"] },
        { listenMs: 5000, ...deps },
      );
    } finally {
      clearInterval(timer);
      await client.endAsync();
    }
  }

  test("events at QoS 1 are safe, and enough of them end the listening", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const startMs = performance.now();
    const found = await during(broker.url, [["application/a/device/b/event/up", 1]]);
    assert.equal(found.one("qos").severity, "ok");
    assert.ok(performance.now() - startMs < 4000, "it did not listen to the end");
  });

  test("events at QoS 0 are told with who has to be told", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const found = await during(broker.url, [
      ["application/a/device/b/event/up", 1],
      ["eu868/gateway/1/event/stats", 0],
    ]);
    assert.match(found.one("qos").text, /QoS 0 .*eu868\/gateway\/1\/event\/stats/);
    assert.match(found.one("qos").hint ?? "", /chirpstack-mqtt-forwarder\.toml/);
  });

  test("retained messages are no events", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const client = await mqtt.connectAsync(broker.url);
    await client.publishAsync("application/a", "old", { qos: 1, retain: true });
    await client.endAsync();
    for (const protocol of ["5", "3.1.1"] as const) {
      const found = await examine({ url: broker.url, protocol });
      assert.match(found.one("qos").text, /no event came/);
    }
  });

  test("nobody listens when the running daemon has counted QoS 1 only", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const startMs = performance.now();
    const daemon = { state: "connected", received: { qos0: 0, qos1: 12 } } as const;
    const found = await examine({ url: broker.url }, { daemon, listenMs: 30_000 });
    assert.equal(found.one("qos").severity, "ok");
    assert.ok(performance.now() - startMs < 4000);
  });

  test("a broker that allows QoS 0 only cannot do", async (t) => {
    const broker = await requireMosquitto(t, { extraLines: ["max_qos 0"] });
    if (broker === undefined) return;
    const found = await examine({ url: broker.url });
    assert.deepEqual(beside(found.complaints), [
      "protocol failure broker_maximum_qos",
      "subscribe failure broker_maximum_qos",
    ]);
    assert.match(found.one("subscribe").text, /application\/#/);
    assert.equal(found.one("qos").severity, "skipped");
  });
});

/** A broker of MQTT 5 that forgets, refuses, is silent or hangs up, as it is told. */
interface Manners {
  readonly connack?: IConnackPacket["properties"];
  readonly forgets?: boolean;
  readonly refuse?: string;
  readonly hangsUpOn?: string;
  readonly ignores?: "connect" | "subscribe";
}

async function scripted(t: TestContext, manners: Manners): Promise<string> {
  const known = new Set<string>();
  const version = { protocolVersion: 5 };
  const serve = (socket: Socket): void => {
    let clientId = "";
    const answerTo = (packet: Packet): Packet | undefined => {
      if (packet.cmd === "connect") {
        ({ clientId } = packet);
        const sessionPresent = packet.clean !== true && known.has(clientId);
        if (!sessionPresent) known.delete(clientId);
        return { cmd: "connack", reasonCode: 0, sessionPresent, properties: manners.connack ?? {} };
      }
      if (packet.cmd === "subscribe") {
        if (manners.forgets !== true) known.add(clientId);
        const granted = packet.subscriptions.map(({ topic }) => (topic === manners.refuse ? 135 : 1));
        return { cmd: "suback", messageId: packet.messageId ?? 0, granted };
      }
      return packet.cmd === "pingreq" ? { cmd: "pingresp" } : undefined;
    };
    const parser = mqttPacket.parser(version);
    // The probe asks for other protocols too.
    parser.on("error", () => socket.destroy());
    parser.on("packet", (packet: Packet) => {
      if (packet.cmd === manners.ignores) return;
      if (
        packet.cmd === "subscribe" &&
        packet.subscriptions.some(({ topic }) => topic === manners.hangsUpOn)
      ) {
        socket.destroy();
        return;
      }
      const answer = answerTo(packet);
      if (answer !== undefined) socket.write(mqttPacket.generate(answer, version));
      if (packet.cmd === "disconnect") socket.end();
    });
    socket.on("data", (chunk: Buffer) => parser.parse(chunk));
  };
  const { port } = await listening(t, createServer(serve));
  return `mqtt://127.0.0.1:${port}`;
}

describe("brokers that behave badly", { concurrency: true }, () => {
  test("one that keeps no session is found out, though it lets everybody in", async (t) => {
    const found = await examine({ url: await scripted(t, { forgets: true }) });
    assert.deepEqual(found.complaints, ["session failure broker_no_sessions"]);
  });

  test("one that shortens the session is told with the figure", async (t) => {
    const url = await scripted(t, { connack: { sessionExpiryInterval: 120 } });
    const found = await examine({ url });
    assert.match(found.one("protocol").text, /for 2 minutes of the 60 minutes asked for/);
  });

  test("one that hangs up on who asks for $SYS loses nothing but its version", async (t) => {
    const found = await examine({ url: await scripted(t, { hangsUpOn: "$SYS/broker/version" }) });
    assert.deepEqual(found.complaints, []);
    assert.equal(found.one("version").severity, "skipped");
  });

  test("one that is silent, and a port where nobody listens, are told in time", async (t) => {
    const silent = await scripted(t, { ignores: "connect" });
    const nobody = `mqtt://127.0.0.1:${await freePort()}`;
    const [first, second] = await Promise.all([
      examine({ url: silent, connectTimeoutMs: 200 }),
      examine({ url: nobody }),
    ]);
    assert.match(first.complaints.join(), /^connect failure (?:server|broker)_/);
    assert.deepEqual(second.complaints, ["tcp failure connection_refused"]);
  });

  test("one that answers CONNECT only, and hangs up or is silent, is a failure and replaces no client id", async (t) => {
    for (const hangsUp of [true, false]) {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => {
          socket.write(Buffer.from([0x20, 0x03, 0, 0, 0]));
          if (hangsUp) setTimeout(() => socket.end(), 50);
        });
      });
      const { port } = await listening(t, server);
      const found = await examine({ url: `mqtt://127.0.0.1:${port}` });
      const code = hangsUp ? "broker_connection_lost" : "broker_silent";
      assert.match(found.complaints.join(), new RegExp(`^\\w+ failure ${code}$`));
    }
  });

  test("an HTTP server is called one", async (t) => {
    const { createServer: createHttp } = await import("node:http");
    const { port } = await listening(t, createHttp());
    const found = await examine({ url: `mqtt://127.0.0.1:${port}` });
    assert.deepEqual(found.complaints, ["connect failure server_is_http"]);
  });
});
