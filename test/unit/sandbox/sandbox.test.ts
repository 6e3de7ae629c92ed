import mqtt from "mqtt";
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { exitCode } from "../../../src/cli/io.ts";
import { sandboxCommand } from "../../../src/cli/sandbox.ts";
import type { SandboxOptions } from "../../../src/cli/sandbox.ts";
import type { Fault } from "../../../src/lib/fault.ts";
import { MemoryLedger, readLedger } from "../../../src/sandbox/ledger.ts";
import { startSandbox } from "../../../src/sandbox/sandbox.ts";
import { recordingIo } from "../../support/fakes/recording-io.ts";
import { connected } from "../../support/mqtt-events.ts";
import { freePort, temporaryFolder, waitFor } from "../../support/wait.ts";

const defaults: SandboxOptions = {
  mqttPort: 0,
  influxdbPort: 0,
  devices: 10,
  interval: "50ms",
  broker: true,
  devicesOn: true,
  json: true,
};

/** The command under way: what it printed so far, and how to end it. */
function run(
  t: TestContext,
  options: SandboxOptions,
): { out: () => string; err: () => string; end: () => Promise<number> } {
  const stopping = new AbortController();
  const { io, out, err } = recordingIo(stopping.signal);
  const ended = sandboxCommand(options, io);
  const end = async (): Promise<number> => {
    stopping.abort();
    return await ended;
  };
  t.after(end);
  return { out, err, end };
}

test("the command prints its addresses as one line, devices publish there, and the file ledger follows", async (t) => {
  await using folder = await temporaryFolder("sandbox");
  const command = run(t, { ...defaults, data: folder.path });
  await waitFor(() => command.out() !== "", { what: "the addresses" });
  const line = JSON.parse(command.out()) as Record<string, string>;
  assert.equal(line["database"], "lorawan");
  assert.equal(line["ledger"], join(folder.path, "ledger.ndjson"));
  assert.equal((await fetch(`${line["influxdb"]}/health`)).status, 200);
  const topics = new Set<string>();
  const client = mqtt.connect(line["mqtt"] ?? "", { protocolVersion: 4 });
  client.on("message", (topic) => topics.add(topic));
  await connected(client);
  await client.subscribeAsync(["application/+/device/+/event/+", "+/gateway/+/state/conn"], { qos: 1 });
  await waitFor(() => topics.size >= 12, { what: "ten devices and retained gateway states" });
  await client.endAsync(true);
  assert.equal(await command.end(), exitCode.done);
  assert.equal(command.err(), "");
  const ledger = await readLedger(line["ledger"] ?? "");
  assert.ok(ledger.publishedCount >= 10);
  assert.equal(ledger.acknowledgedCount, ledger.publishedCount, "the last PUBACKs were waited for");
  await assert.rejects(fetch(`${line["influxdb"]}/health`), "nothing listens any more");
});

test("for people it says where to look, with a line to type", async (t) => {
  const command = run(t, { ...defaults, json: false, devicesOn: false });
  await waitFor(() => command.out() !== "", { what: "the text" });
  assert.match(command.out(), /MQTT +mqtt:\/\/127\.0\.0\.1:\d+\n/);
  assert.match(command.out(), /No devices\./);
  assert.match(command.out(), /curl -s http:\/\/127\.0\.0\.1:\d+\/api\/v3\/query_sql/);
  assert.equal(await command.end(), exitCode.done);
});

test("arguments that make no sense are refused before anything starts", async (t) => {
  const wrong: readonly (readonly [Partial<SandboxOptions>, RegExp])[] = [
    [{ interval: "soon" }, /--interval/],
    [{ interval: "1ms" }, /at least 10ms/],
    [{ devices: 0 }, /--devices/],
    [{ devices: Number.NaN }, /--devices/],
    [{ mqttPort: 70_000 }, /--mqtt-port/],
    [{ influxdbPort: -1 }, /--influxdb-port/],
    [{ broker: false, mqttPort: 0 }, /--no-broker/],
  ];
  for (const [options, reason] of wrong) {
    const command = run(t, { ...defaults, ...options });
    assert.equal(await command.end(), exitCode.usage);
    assert.match(command.err(), reason);
    assert.equal(command.out(), "");
  }
});

test("data that can be kept nowhere is one plain sentence and a hint, at once", async (t) => {
  await using folder = await temporaryFolder("sandbox-data");
  const file = join(folder.path, "file");
  await writeFile(file, "");
  const places: readonly (readonly [string, RegExp])[] = [
    [file, /in the way: move it/],
    [join(file, "below"), /in the way: move it/],
    ["/proc/flightline-nope", /where this user may write/],
  ];
  for (const [data, hint] of places) {
    const command = run(t, { ...defaults, data });
    assert.equal(await command.end(), exitCode.failed);
    assert.match(command.err(), /sandbox_data_unusable/);
    assert.match(command.err(), hint);
    assert.equal(command.out(), "");
  }
});

test("a port that is taken is one plain sentence and a hint", async (t) => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const [options, option] of [
    [{ mqttPort: port }, "--mqtt-port 0"],
    [{ influxdbPort: port }, "--influxdb-port 0"],
  ] as const) {
    const command = run(t, { ...defaults, ...options });
    await waitFor(() => command.err() !== "", { what: "the fault" });
    assert.equal(await command.end(), exitCode.failed);
    assert.match(command.err(), /sandbox_port_unavailable/);
    assert.ok(command.err().includes(option));
  }
});

test("devices without a broker say so once, and publish as soon as there is one", async (t) => {
  const port = await freePort();
  const faults: Fault[] = [];
  const options = { influxdbPort: 0, report: (fault: Fault) => faults.push(fault) };
  const alone = await startSandbox({ ...options, mqttPort: port, broker: false });
  t.after(async () => {
    await alone.stop();
  });
  const ledger = new MemoryLedger();
  const devices = alone.startDevices({ count: 5, intervalMs: 20, ledger });
  await waitFor(() => faults.length > 0 && ledger.publishedCount > 10, { what: "the fault" });
  assert.deepEqual(
    faults.map(({ code }) => code),
    ["sandbox_broker_unreachable"],
  );
  assert.equal(ledger.acknowledgedCount, 0);
  const withBroker = await startSandbox({ ...options, mqttPort: port, broker: true });
  t.after(async () => {
    await withBroker.stop();
  });
  await waitFor(() => ledger.acknowledgedCount > 10, { what: "PUBACKs" });
  await devices.stop();
  assert.equal(ledger.acknowledgedCount, ledger.publishedCount);
});
