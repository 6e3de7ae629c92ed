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
    [{ deviceInfo, devAddr: "01a44c4c" }, "join"],
    [{ deviceInfo, queueItemId: "q", acknowledged: true, fCntDown: 3 }, "ack"],
    [{ deviceInfo, downlinkId: 1, fCntDown: 3, gatewayId: "aa" }, "txack"],
    [{ deviceInfo, level: "ERROR", code: "UPLINK_CODEC" }, "log"],
    [{ device_info: { dev_eui: "24e124538b223213" }, margin: 10, battery_level: 88.3 }, "status"],
    [{ deviceInfo, location: {} }, "location"],
    [{ deviceInfo, integrationName: "loracloud" }, "integration"],
    [{ gatewayId: "0016c001f153a14c", time: "2022-08-03T14:37:59Z", rxPacketsReceived: 1 }, "gateway/stats"],
    [{ gatewayId: "0016c001f153a14c" }, "gateway/conn"],
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
  assert.deepEqual(decode("application/1/device/24e124538b223213/tx", noise), unmapped("tx"));
});

test("a command is no event, whoever gave it and whatever it holds", () => {
  const cases: [string, string][] = [
    [upTopic.replace("event/up", "command/down"), "command/down"],
    ["eu868/gateway/0016c001f153a14c/command/down", "command/down"],
    ["gateway/0016c001f153a14c/command/config", "command/config"],
    ["a/command/up", "command/other"],
    [`a/command/${"x".repeat(1000)}`, "command/other"],
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
  const noCommand = decode("command", text("{}"));
  assert.equal(noCommand.ok ? "" : noCommand.fault.code, "decode_unknown_event");
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
  // Milesight's topics are free text.
  const free = toJsonBytes({ devEUI: "24e124538b223213", gatewaySN: "6222", data: "AQI=" });
  assert.equal(decodedUplink("farm/gateway/ug65/event/data", free).device.devEui, "24e124538b223213");
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
