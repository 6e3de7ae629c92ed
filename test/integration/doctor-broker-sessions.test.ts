/** `flightline doctor` at a broker that others use: their sessions and messages stay, and nothing of it is left there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { Aedes } from "aedes";
import mqtt, { type MqttClient } from "mqtt";
import { createServer, type Socket } from "node:net";
import { examineBroker, type BrokerDeps } from "../../src/doctor/broker.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import type { MqttConfig } from "../../src/mqtt/config.ts";
import { type Mosquitto, requireMosquitto } from "../support/mosquitto.ts";
import { startScriptedBroker } from "../support/mqtt-script.ts";
import { mqttConfig, runSource } from "../support/mqtt-source.ts";
import { publishAll } from "../support/publisher.ts";
import { listening } from "../support/tcp-server.ts";
import { temporaryFolder, type TemporaryFolder, waitFor } from "../support/wait.ts";

let folder: TemporaryFolder;
before(async () => {
  folder = await temporaryFolder("doctor");
});
after(async () => {
  await folder.remove();
});

interface Run {
  readonly findings: readonly Finding[];
  readonly ended: Promise<void>;
}

function start(config: MqttConfig, signal: AbortSignal, deps: BrokerDeps): Run {
  const findings: Finding[] = [];
  const report = (finding: Finding): void => {
    findings.push(finding);
  };
  return { findings, ended: examineBroker(config, deps)(report, signal) };
}

async function examine(config: MqttConfig, listenMs = 50): Promise<readonly Finding[]> {
  const run = start(config, new AbortController().signal, { listenMs });
  await run.ended;
  return run.findings;
}

function failures(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === "failure");
}

/** What a client subscribed to and left a session for. */
async function absent(url: string, clientId: string, filter: string): Promise<void> {
  const client = await mqtt.connectAsync(url, { clientId, clean: false, protocolVersion: 4 });
  await client.subscribeAsync(filter, { qos: 1 });
  await client.endAsync();
}

/** It comes back, and gets what was kept for it. */
async function resumed(url: string, clientId: string, count: number): Promise<string[]> {
  const texts: string[] = [];
  const client: MqttClient = mqtt.connect(url, { clientId, clean: false, protocolVersion: 4 });
  client.on("message", (_topic, payload) => texts.push(payload.toString()));
  try {
    await waitFor(() => texts.length >= count, { what: `${count} messages for ${clientId}` });
  } finally {
    await client.endAsync();
  }
  return texts;
}

async function publish(url: string, texts: readonly string[]): Promise<void> {
  await publishAll({ url, messages: texts.map((payload) => ({ topic: "application/a", payload })) });
}

const ours = /[\w-]*-dr[0-9a-f]{8}[slv]/;

/** The sessions that mosquitto would keep over a restart, as it writes them. */
async function stored(broker: Mosquitto, file: string): Promise<string> {
  await broker.stop();
  return readFileSync(join(folder.path, file), "latin1");
}

async function keepingBroker(
  t: TestContext,
  file: string,
  ...more: string[]
): Promise<Mosquitto | undefined> {
  const where = ["persistence true", `persistence_location ${folder.path}/`, `persistence_file ${file}`];
  return await requireMosquitto(t, { extraLines: [...where, ...more] });
}

describe("beside a running daemon", () => {
  for (const protocol of ["5", "3.1.1"] as const) {
    test(`neither it nor an absent client notices anything, and no session is left (MQTT ${protocol})`, async (t) => {
      const file = `beside-${protocol}.db`;
      const broker = await keepingBroker(t, file);
      if (broker === undefined) return;
      const { url } = broker;
      const observer = await mqtt.connectAsync(url, { protocolVersion: 4 });
      const seen: string[] = [];
      observer.on("message", (topic) => seen.push(topic));
      await observer.subscribeAsync("#");
      const config = mqttConfig({ url, protocol, stateTopic: "flightline/n/state" });
      const daemon = runSource(t, { config, clientId: "flightline-0123456789ab" });
      await daemon.subscribed();
      await absent(url, "somebody", "application/#");
      await publish(url, ["one", "two"]);

      const findings = await examine(config);
      assert.deepEqual(failures(findings), []);
      await publish(url, ["three"]);
      await daemon.received(3);
      assert.deepEqual(daemon.texts, ["one", "two", "three"]);
      assert.deepEqual([daemon.source.status.connects, daemon.faultCodes], [1, []]);
      assert.deepEqual(await resumed(url, "somebody", 3), ["one", "two", "three"]);
      assert.deepEqual(
        seen.filter((topic) => topic !== "application/a"),
        ["flightline/n/state"],
        "nothing was published but by the daemon",
      );
      await observer.endAsync();
      const database = await stored(broker, file);
      assert.match(database, /flightline-0123456789ab/);
      assert.match(database, /somebody/);
      assert.doesNotMatch(database, ours);
      assert.match(broker.log(), ours, "it has been there");
    });
  }

  test("it takes nothing away from the daemon's shared subscription", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const config = mqttConfig({ url: broker.url, topics: ["$share/site/application/#"] });
    const daemon = runSource(t, { config, clientId: "flightline-0123456789ab" });
    await daemon.subscribed();
    const run = start(config, new AbortController().signal, { listenMs: 10_000 });
    await waitFor(() => run.findings.some(({ check }) => check.endsWith(".session")), {
      what: "the session",
    });
    const texts = Array.from({ length: 30 }, (_, index) => String(index));
    await publish(broker.url, texts);
    await run.ended;
    await daemon.received(30);
    assert.deepEqual(daemon.texts, texts);
    assert.deepEqual(failures(run.findings), []);
    assert.equal(
      run.findings.find(({ check }) => check.endsWith(".qos"))?.severity,
      "ok",
      "it heard them too",
    );
  });
});

describe("a broker that replaces client ids", () => {
  const replaced = (findings: readonly Finding[]): (string | undefined)[] =>
    findings.filter(({ code }) => code === "broker_client_id_replaced").map(({ severity }) => severity);

  for (const protocol of ["5", "3.1.1"] as const) {
    test(`the session of an absent daemon keeps all its messages (MQTT ${protocol})`, async (t) => {
      const broker = await requireMosquitto(t, { extraLines: ["use_username_as_clientid true"] });
      if (broker === undefined) return;
      const config = mqttConfig({ url: broker.url, username: "gateway", protocol });
      const daemon = runSource(t, { config, clientId: "flightline-0123456789ab" });
      await daemon.subscribed();
      await daemon.stop();
      const publisher = await mqtt.connectAsync(broker.url, { username: "publisher", protocolVersion: 4 });
      for (const text of ["one", "two"]) await publisher.publishAsync("application/a", text, { qos: 1 });
      await publisher.endAsync();

      const findings = await examine(config);
      assert.deepEqual(replaced(findings), ["warning"]);
      assert.deepEqual(failures(findings), []);
      assert.equal(findings.at(-1)?.severity, "skipped");
      const again = runSource(t, {
        config,
        clientId: "flightline-0123456789ab",
        sessionFilters: config.topics,
      });
      await again.received(2);
      assert.deepEqual(again.texts, ["one", "two"]);
      assert.deepEqual(again.faultCodes, [], "the session was found again");
    });
  }

  test("is known for one before a daemon ever ran, and no session is left", async (t) => {
    const broker = await keepingBroker(t, "first.db", "use_username_as_clientid true");
    if (broker === undefined) return;
    const findings = await examine(mqttConfig({ url: broker.url, username: "first-of-all" }));
    assert.deepEqual(replaced(findings), ["warning"]);
    assert.match(broker.log(), /first-of-all/);
    assert.doesNotMatch(await stored(broker, "first.db"), /first-of-all/);
  });
});

test("aedes keeps no session and no subscription of it", async (t) => {
  const broker = await Aedes.createBroker();
  t.after(() => broker.close());
  const { port } = await listening(t, createServer(broker.handle));
  const url = `mqtt://127.0.0.1:${port}`;
  await absent(url, "somebody", "application/#");
  const findings = await examine(mqttConfig({ url }));
  assert.deepEqual(failures(findings), []);
  const { persistence } = broker as unknown as {
    readonly persistence: { countOffline(): Promise<{ subsCount: number; clientsCount: number }> };
  };
  assert.deepEqual(await persistence.countOffline(), { subsCount: 1, clientsCount: 1 });
});

describe("a kill leaves a broker nothing that grows", () => {
  /** What is known of each connection to a broker that a kill could leave a session of. */
  interface Seen {
    readonly keptS: number;
    /** A session that is kept for longer than a minute was there when it came. */
    readonly besideLong: boolean;
    readonly filters: string[];
    farewellS?: number | undefined;
  }

  async function seenBy(t: TestContext, topics: readonly string[], refused = ""): Promise<Seen[]> {
    const seen: Seen[] = [];
    const known = new Map<Socket, Seen>();
    const url = await startScriptedBroker(t, (packet, answer, socket) => {
      const mine = known.get(socket);
      if (packet.cmd === "connect") {
        const keptS = packet.properties?.sessionExpiryInterval ?? 0;
        const besideLong = seen.some((other) => other.keptS > 60 && other.farewellS !== 0);
        const one = { keptS, besideLong, filters: [] };
        known.set(socket, one);
        seen.push(one);
        const sessionPresent = packet.clean !== true && seen.some(({ filters }) => filters.length > 0);
        answer({ cmd: "connack", reasonCode: 0, sessionPresent });
      } else if (packet.cmd === "subscribe") {
        const filters = packet.subscriptions.map(({ topic }) => topic);
        if (filters.some((filter) => refused !== "" && filter.includes(refused))) {
          socket.destroy();
          return;
        }
        mine?.filters.push(...filters);
        answer({ cmd: "suback", messageId: packet.messageId ?? 0, granted: filters.map(() => 1) });
      } else if (packet.cmd === "pingreq") answer({ cmd: "pingresp" });
      else if (packet.cmd === "disconnect") {
        if (mine !== undefined) mine.farewellS = packet.properties?.sessionExpiryInterval;
        socket.end();
      }
    });
    const findings = await examine(mqttConfig({ url, topics: [...topics], protocol: "5" }));
    assert.deepEqual(failures(findings), []);
    assert.equal(findings.find(({ check }) => check.endsWith(".session"))?.severity, "ok");
    return seen;
  }

  test("the session that is tried has a topic of its own, within those that are granted", async (t) => {
    const rows: readonly (readonly [string, RegExp])[] = [
      ["application/+/device/+/event/+", /^application\/ID\/device\/ID\/event\/ID$/],
      ["$share/site/eu868/#", /^\$share\/flightline-dr\w+\/eu868\/ID$/],
      ["one/topic", /^one\/topic\/ID$/],
    ];
    for (const [topic, expected] of rows) {
      const seen = await seenBy(t, [topic]);
      const kept = seen.filter(({ keptS, filters }) => keptS > 0 && filters.length > 0);
      const filters = kept.flatMap((one) =>
        one.filters.map((filter) => filter.replaceAll(/[\w-]+-dr\w{8}s/g, "ID")),
      );
      assert.equal(filters.length, 1);
      assert.match(filters[0] ?? "", expected);
    }
  });

  test("where the broker hangs up on that, it is one of those that are granted, for a minute", async (t) => {
    const seen = await seenBy(t, ["application/#"], "application/flightline");
    const kept = seen.filter(({ keptS, filters }) => keptS > 0 && filters.length > 0);
    assert.deepEqual(
      kept.map(({ keptS, filters }) => [keptS, ...filters]),
      [[60, "application/#"]],
    );
  });

  test("no session is asked for that lasts longer than a minute, but one that is ended at once", async (t) => {
    const seen = await seenBy(t, ["application/#"]);
    const long = seen.filter(({ keptS }) => keptS > 60);
    assert.ok(
      seen.every(({ besideLong }) => !besideLong),
      "nothing else is done while it is there",
    );
    assert.deepEqual(long, [{ keptS: 3600, besideLong: false, filters: [], farewellS: 0 }]);
    assert.ok(seen.some(({ keptS }) => keptS === 60));
  });

  test("mosquitto keeps nothing for a session that is left in MQTT 3.1.1, and drops nothing", async (t) => {
    const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 1", "sys_interval 1"] });
    if (broker === undefined) return;
    const { url } = broker;
    await examine(mqttConfig({ url, protocol: "3.1.1" }));
    // What it subscribed to last, with a session, as a kill would leave it.
    const filters = [...broker.log().matchAll(/^\S+: \t(application\S+) \(QoS 1\)$/gm)].map(
      ([, filter = ""]) => filter,
    );
    const own = filters.filter((filter) => ours.test(filter));
    assert.equal(own.length, 1, filters.join());
    await absent(url, "left-behind", own[0] ?? "");
    await publish(url, ["one", "two", "three"]);
    const findings = await examine(mqttConfig({ url, protocol: "3.1.1" }));
    const queue = findings.find(({ check }) => check.endsWith(".queue"));
    assert.equal(queue?.severity, "ok", JSON.stringify(queue));
  });
});

describe("an abort", () => {
  test("ends it at once wherever it is, and leaves no connection and no session", async (t) => {
    for (const [index, at] of ["tcp", "connect", "subscribe", "session"].entries()) {
      const file = `abort-${index}.db`;
      const broker = await keepingBroker(t, file);
      if (broker === undefined) return;
      for (const protocol of ["5", "3.1.1"] as const) {
        const stop = new AbortController();
        const run = start(mqttConfig({ url: broker.url, protocol }), stop.signal, { listenMs: 20_000 });
        await waitFor(() => run.findings.some(({ check }) => check.endsWith(`.${at}`)), {
          what: at,
          everyMs: 1,
        });
        const startMs = performance.now();
        stop.abort();
        const known = run.findings.length;
        await run.ended;
        assert.ok(performance.now() - startMs < 1000, `${at}: it ended at once`);
        assert.equal(run.findings.length, known, "what was aborted has nothing more to say");
      }
      assert.doesNotMatch(await stored(broker, file), ours, at);
    }
  });

  test("before it begins leaves nothing to do, and one at a silent port ends it", async (t) => {
    const silent = createServer((socket) => void socket.resume());
    const { port, sockets } = await listening(t, silent);
    const config = mqttConfig({ url: `mqtt://127.0.0.1:${port}` });
    const early = start(config, AbortSignal.abort(), {});
    await early.ended;
    assert.deepEqual(early.findings, []);
    const stop = new AbortController();
    const run = start(config, stop.signal, {});
    await waitFor(() => sockets.size > 0, { what: "the probe" });
    stop.abort();
    await run.ended;
    await waitFor(() => sockets.size === 0, { what: "its connections to be closed" });
  });
});
