import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import type { DescMessage, JsonValue, Message } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import {
  decodeFormerJson,
  decodeFormerProtobuf,
  isFormerJson,
  isFormerProtobuf,
} from "../../../src/chirpstack/v3/decode.ts";
import * as gw from "../../../src/proto/gw/gw_pb.js";
import * as v4 from "../../../src/proto/integration/integration_pb.js";
import { milesightDecoded, milesightUplink } from "./milesight-samples.ts";
import { climateUplink, toJsonBytes } from "./samples.ts";
import * as samples from "./v3-samples.ts";

const v3Samples: ReadonlyMap<string, samples.Sample> = new Map([
  ["up", samples.uplink()],
  ["join", samples.join()],
  ["ack", samples.ack()],
  ["txack", samples.txAck()],
  ["log", samples.errorEvent()],
  ["status", samples.status()],
  ["location", samples.location()],
  ["integration", samples.integration()],
]);

/** One of each kind that v4 publishes, in both encodings. */
function v4Messages(): { readonly name: string; readonly json: JsonObject; readonly bytes: Uint8Array }[] {
  const deviceInfo = {
    tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
    applicationId: "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002",
    deviceName: "barn 7 north",
    devEui: "24e124538b223213",
    tags: { building: "barn-7" },
  };
  const time = { seconds: 1_749_818_692n, nanos: 653_481_123 };
  const deduplicationId = "3ac7e3c4-4401-4b8d-9386-a5c902f9202d";
  const head = { deduplicationId, time, deviceInfo };
  const sample = (
    name: string,
    desc: DescMessage,
    message: Message,
  ): ReturnType<typeof v4Messages>[number] => ({
    name,
    json: toJson(desc, message, { alwaysEmitImplicit: true }) as JsonObject & JsonValue,
    bytes: toBinary(desc, message),
  });
  const txAck = { downlinkId: 4711, time, deviceInfo, fCntDown: 12, gatewayId: "e4e124dadef64eee" };
  const gatewayId = "e4e124dadef64eee";
  return [
    sample(
      "up",
      v4.UplinkEventSchema,
      create(v4.UplinkEventSchema, { ...head, devAddr: "01a44c4c", fCnt: 153 }),
    ),
    sample("join", v4.JoinEventSchema, create(v4.JoinEventSchema, { ...head, devAddr: "01a44c4c" })),
    sample("ack", v4.AckEventSchema, create(v4.AckEventSchema, { ...head, queueItemId: "12345678" })),
    sample(
      "txack",
      v4.TxAckEventSchema,
      create(v4.TxAckEventSchema, { ...txAck, queueItemId: deduplicationId }),
    ),
    // The same with an id of 8 characters, as long as a devEUI.
    sample("txack", v4.TxAckEventSchema, create(v4.TxAckEventSchema, { ...txAck, queueItemId: "valve-07" })),
    sample(
      "log",
      v4.LogEventSchema,
      create(v4.LogEventSchema, {
        time,
        deviceInfo,
        level: v4.LogLevel.ERROR,
        code: v4.LogCode.UPLINK_CODEC,
      }),
    ),
    sample("status", v4.StatusEventSchema, create(v4.StatusEventSchema, { ...head, margin: 10 })),
    sample(
      "location",
      v4.LocationEventSchema,
      create(v4.LocationEventSchema, { ...head, location: { latitude: 1 } }),
    ),
    sample(
      "integration",
      v4.IntegrationEventSchema,
      create(v4.IntegrationEventSchema, { ...head, integrationName: "x" }),
    ),
    sample(
      "gateway/stats",
      gw.GatewayStatsSchema,
      create(gw.GatewayStatsSchema, { gatewayId, rxPacketsReceived: 3 }),
    ),
    sample(
      "gateway/conn",
      gw.ConnStateSchema,
      create(gw.ConnStateSchema, { gatewayId, state: gw.ConnState_State.ONLINE }),
    ),
    sample(
      "gateway/mesh",
      gw.MeshEventSchema,
      create(gw.MeshEventSchema, { gatewayId, relayId: "01020304" }),
    ),
  ];
}

describe("recognition", () => {
  test("no message of v4 is taken for one of v3, in neither encoding", () => {
    assert.equal(isFormerJson(climateUplink()), false);
    for (const { name, json, bytes } of v4Messages()) {
      assert.equal(isFormerJson(json), false, name);
      assert.equal(isFormerProtobuf(bytes), false, name);
    }
  });

  test("no txack of v4 is taken for one of v3, whatever its ids are", () => {
    const txAck = fc.record({
      downlinkId: fc.nat(),
      queueItemId: fc.string({ minLength: 8, maxLength: 8 }),
      deviceName: fc.string(),
    });
    fc.assert(
      fc.property(txAck, ({ downlinkId, queueItemId, deviceName }) => {
        const deviceInfo = { deviceName, devEui: "24e124538b223213" };
        const message = create(v4.TxAckEventSchema, { downlinkId, queueItemId, deviceInfo });
        return !isFormerProtobuf(toBinary(v4.TxAckEventSchema, message));
      }),
      { numRuns: 300 },
    );
  });

  test("every event of v3 is taken for one, in all encodings", () => {
    for (const [name, { json, jsonV3, bytes }] of v3Samples) {
      assert.equal(isFormerJson(json), true, name);
      assert.equal(isFormerJson(jsonV3), true, name);
      assert.equal(isFormerProtobuf(bytes), true, name);
    }
    assert.equal(isFormerJson(milesightUplink()), true);
    assert.equal(isFormerJson(milesightDecoded()), true);
  });

  test("the whole decoder reads v3 and v4 side by side, by the payload", () => {
    const kindOf = (name: string, payload: Uint8Array): string => {
      const result = decode(`application/1/device/2/event/${name}`, payload);
      return result.ok
        ? `${result.value.kind} ${"device" in result.value ? result.value.device.devEui : ""}`
        : result.fault.code;
    };
    for (const [name, { json, jsonV3, bytes }] of v3Samples) {
      for (const payload of [toJsonBytes(json), toJsonBytes(jsonV3), bytes]) {
        assert.equal(kindOf(name, payload), `${name} ${samples.devEui}`);
      }
    }
    for (const { name, json, bytes } of v4Messages().filter(
      (message) => !message.name.startsWith("gateway"),
    )) {
      assert.equal(kindOf(name, toJsonBytes(json)), `${name} 24e124538b223213`);
      assert.equal(kindOf(name, bytes), `${name} 24e124538b223213`);
    }
  });

  test("a JSON event says by its keys which it is, where the topic is silent", () => {
    for (const [name, { json, jsonV3 }] of v3Samples) {
      const kindOf = (payload: JsonObject): string => {
        const result = decodeFormerJson(undefined, payload);
        return result.ok ? result.value.kind : result.fault.code;
      };
      assert.equal(kindOf(json), name);
      // A txack of json_v3 has nothing of its own, an fCnt only.
      assert.equal(kindOf(jsonV3), name === "txack" ? "decode_unknown_event" : name);
    }
  });

  test("a status of which only the battery is told is one", () => {
    const json = { applicationID: "123", devEUI: samples.devEui, batteryLevel: 88.3 };
    const result = decodeFormerJson(undefined, json);
    assert.equal(result.ok ? result.value.kind : result.fault.code, "status");
  });

  test("a downlink command is no uplink", () => {
    const { devEui } = samples;
    const command = { applicationID: "123", devEUI: devEui, confirmed: false, fPort: 10, data: "AQ==" };
    const result = decodeFormerJson(undefined, command);
    assert.equal(result.ok ? result.value.kind : result.fault.code, "decode_unknown_event");
  });

  test("a protobuf event does not say which it is: without the topic's word it is unknown", () => {
    const result = decodeFormerProtobuf(undefined, samples.uplink().bytes);
    assert.equal(result.ok ? result.value.kind : result.fault.code, "decode_unknown_event");
  });

  test("where the topic names what is no event of a device, the keys say which it is, and bytes say nothing", () => {
    const { json, bytes } = samples.ack();
    const topic = "site/gateway/0202030405060708/event/stats";
    const byKeys = decode(topic, toJsonBytes(json));
    assert.equal(byKeys.ok ? byKeys.value.kind : byKeys.fault.code, "ack");
    const silent = decode(topic, bytes);
    assert.equal(silent.ok ? silent.value.kind : silent.fault.code, "decode_unknown_event");
  });
});
