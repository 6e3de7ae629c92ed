/** Which event, dialect and encoding a message has: by its topic's last level, or else by its keys. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, maxPayloadBytes } from "../../../src/chirpstack/decode.ts";
import type { JsonObject, Uplink } from "../../../src/chirpstack/event.ts";
import { climateUplink, logEvent, samples, toJsonBytes, upTopic } from "./samples.ts";

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

function decodedUplink(topic: string, payload: Uint8Array): Uplink {
  const result = decode(topic, payload);
  assert.ok(result.ok && result.value.kind === "up");
  return result.value;
}

function fCntOf(topic: string, payload: Uint8Array): number | undefined {
  return decodedUplink(topic, payload).fCnt;
}

const someJson = text('{"x":1}');
const noise = Uint8Array.of(0xff);
const unmapped = (name: string): unknown => ({ ok: true, value: { kind: "unmapped", name } });

test("a device event is named by the last level of the topic, whatever stands before it", () => {
  for (const { topic, json } of samples()) {
    if (!topic.includes("/device/")) continue;
    const last = topic.split("/").at(-1) ?? "";
    const expected = decode(topic, toJsonBytes(json));
    assert.ok(expected.ok && expected.value.kind === last);
    assert.deepEqual(decode(`a/b/${last}`, toJsonBytes(json)), expected);
    assert.deepEqual(decode(last, toJsonBytes(json)), expected);
  }
});

test("or else by its keys, in both spellings", () => {
  const deviceInfo = { devEui: "24e124538b223213" };
  const cases: [JsonObject, string][] = [
    // Before v4.1 zeros are left out: an fCnt or a margin of 0, level INFO, code UNKNOWN.
    [{ deviceInfo, rxInfo: [{ rssi: -51 }] }, "up"],
    [{ deviceInfo, level: "ERROR" }, "log"],
    [{ deviceInfo, code: "OTAA" }, "log"],
    [{ deviceInfo, margin: 10 }, "status"],
    [{ deviceInfo, batteryLevel: 88.3 }, "status"],
    [{ deviceInfo, devAddr: "01a44c4c" }, "join"],
    [{ deviceInfo, queueItemId: "q", acknowledged: true, fCntDown: 3 }, "ack"],
    [{ deviceInfo, downlinkId: 1, fCntDown: 3, gatewayId: "aa" }, "txack"],
    [{ deviceInfo, level: "ERROR", code: "UPLINK_CODEC" }, "log"],
    [{ device_info: { dev_eui: "24e124538b223213" }, margin: 10, battery_level: 88.3 }, "status"],
    [{ deviceInfo, location: {} }, "location"],
    [{ deviceInfo, integrationName: "loracloud" }, "integration"],
    [{ gatewayId: "0016c001f153a14c", time: "2022-08-03T14:37:59Z", rxPacketsReceived: 1 }, "gateway/stats"],
    [{ gatewayId: "0016c001f153a14c" }, "gateway/conn"],
    [{ gatewayId: "0016c001f153a14c", gatewayIdLegacy: "ABbAAfFToUw=" }, "gateway/conn"],
    [{ gateway_id: "0016c001f153a14c", gateway_id_legacy: "ABbAAfFToUw=" }, "gateway/conn"],
    [{ gatewayID: "ABbAAfFToUw=", time: "2021-03-09T07:00:00Z" }, "gateway/stats"],
    [{ gatewayId: "0016c001f153a14c", downlinkId: 1, items: [{ status: "OK" }] }, "gateway/ack"],
    [{ phyPayload: "QAQDAgEAAQABY2FuYXJ5", rxInfo: { gatewayId: "0016c001f153a14c" } }, "gateway/up"],
  ];
  for (const [json, name] of cases) {
    const result = decode("site-a", toJsonBytes(json));
    assert.ok(result.ok, name);
    const event = result.value;
    assert.equal(event.kind === "unmapped" ? event.name : event.kind, name);
  }
  assert.equal(fCntOf("site-a", toJsonBytes(climateUplink())), 153);
});

test("the topics of v1 to v3.10 name it too", () => {
  assert.equal(fCntOf("application/1/node/24e124538b223213/rx", toJsonBytes(climateUplink())), 153);
  const log = decode("application/1/device/24e124538b223213/error", toJsonBytes(logEvent()));
  assert.ok(log.ok && log.value.kind === "log");
  for (const level of ["device", "node"]) {
    assert.deepEqual(decode(`application/1/${level}/24e124538b223213/tx`, noise), unmapped("tx"));
  }
});

test("a command is no event, whoever gave it and whatever it holds", () => {
  const cases: [string, string][] = [
    [upTopic.replace("event/up", "command/down"), "command/down"],
    ["eu868/gateway/0016c001f153a14c/command/down", "command/down"],
    ["gateway/0016c001f153a14c/command/config", "command/config"],
    // Topics of commands have a template too.
    ["site/24e124538b223213/command/down", "command/down"],
    ["gateway/0016c001f153a14c/command/up", "command/other"],
    [`device/24e124538b223213/command/${"x".repeat(1000)}`, "command/other"],
  ];
  for (const [topic, name] of cases) {
    for (const payload of [
      someJson,
      text("{]"),
      noise,
      new Uint8Array(0),
      new Uint8Array(maxPayloadBytes + 1),
    ]) {
      assert.deepEqual(decode(topic, payload), unmapped(name));
    }
  }
  const silent = [
    "command",
    "a/b/command/ug65",
    "device/ug65/command/x",
    "barn/24e124538b223213/command/x",
    "milesight/tx",
    "node/7/tx",
    "barn/24e124538b223213/tx",
  ];
  for (const topic of silent) {
    const noCommand = decode(topic, text("{}"));
    assert.equal(noCommand.ok ? "" : noCommand.fault.code, "decode_unknown_event", topic);
  }
});

test("a command that names application and device is none the more an uplink", () => {
  const command = { applicationID: 1, devEUI: "24e124538b223213", fPort: 10, data: "AQ==" };
  const device = "application/1/device/24e124538b223213";
  assert.deepEqual(decode(`${device}/command/down`, toJsonBytes(command)), unmapped("command/down"));
  assert.deepEqual(decode(`${device}/tx`, toJsonBytes(command)), unmapped("tx"));
  // Gateway Bridge 2 writes a data rate as Milesight does.
  const frame = { phyPayload: "YAECAwQ=", txInfo: { frequency: 868_100_000, dataRate: { bandwidth: 125 } } };
  const toGateway = "gateway/0016c001f153a14c/command/down";
  assert.deepEqual(decode(toGateway, toJsonBytes(frame)), unmapped("command/down"));
  const silent = decode("site-a", toJsonBytes({ ...command, confirmed: false }));
  assert.equal(silent.ok ? "" : silent.fault.code, "decode_unknown_event");
});

test("what a gateway says on a topic that nobody knows is not taken for its going offline", () => {
  const gatewayId = "0016c001f153a14c";
  const message = toJsonBytes({ gatewayId, x: 1 });
  for (const topic of [`eu868/gateway/${gatewayId}/event/foo`, `gateway/${gatewayId}/state/foo`]) {
    assert.deepEqual(decode(topic, message), unmapped("gateway/other"));
    assert.deepEqual(decode(topic, noise), unmapped("gateway/other"));
  }
  const silent = decode("site-a", message);
  assert.equal(silent.ok ? "" : silent.fault.code, "decode_unknown_event");
});

test("a Milesight uplink is one on any topic, even one that reads like a command's or a gateway's", () => {
  const devEUI = "24e124538b223213";
  const gateway = "barn/gateway/24e124fffef54321";
  const topics = [
    "milesight/tx",
    "a/b/command/ug65",
    "a/b/command/down",
    `device/${devEUI}/tx`,
    `${gateway}/event/up`,
    `${gateway}/event/stats`,
    `${gateway}/event/data`,
    `${gateway}/state/conn`,
    "farm/gateway/ug65/event/data",
  ];
  const uplink = { applicationID: 1, devEUI, gatewaySN: "6222", fCnt: 5, fPort: 85, data: "AXU=" };
  for (const topic of topics) {
    const { device, fCnt } = decodedUplink(topic, toJsonBytes(uplink));
    assert.deepEqual([device.devEui, fCnt], [devEUI, 5], topic);
  }
  // The number of its application tells as well: only a command has one too.
  const { gatewaySN: _, ...anonymous } = uplink;
  assert.equal(fCntOf(`${gateway}/event/up`, toJsonBytes(anonymous)), 5);
  const large = toJsonBytes({ ...uplink, data: "A".repeat(maxPayloadBytes) });
  assert.deepEqual(decode(`${gateway}/event/up`, large), unmapped("gateway/up"));
});

test("frames and answers on gateway topics are not looked into", () => {
  const cases: [string, string][] = [
    ["eu868/gateway/0016c001f153a14c/event/up", "gateway/up"],
    ["a/b/c/gateway/0016c001f153a14c/event/ack", "gateway/ack"],
    ["eu868/gateway/x/event/raw", "gateway/raw"],
    ["gateway/x/event/exec", "gateway/exec"],
  ];
  for (const [topic, name] of cases) assert.deepEqual(decode(topic, noise), unmapped(name));
});

test("v3 is told by its keys or bytes, and goes its own way", () => {
  const json = { applicationID: "2", devEUI: "24e124538b223213", fCnt: 7, fPort: 3, data: "AQI=" };
  assert.equal(fCntOf("application/2/device/24e124538b223213/rx", toJsonBytes(json)), 7);
  // application_id 2, dev_eui in field 4, f_cnt 7 in field 9.
  const binary = Buffer.concat([
    Uint8Array.of(0x08, 2, 0x22, 8),
    Buffer.from("24e124538b223213", "hex"),
    Uint8Array.of(0x48, 7),
  ]);
  assert.equal(decodedUplink(upTopic, binary).device.devEui, "24e124538b223213");
});
