/** What gateways say on their own topics: at any prefix, in both encodings, from v4's forwarders and Gateway Bridge 3. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { GatewayEvent, JsonObject } from "../../../src/chirpstack/event.ts";
import { ConnStateSchema, GatewayStatsSchema, MeshEventSchema } from "../../../src/proto/gw/gw_pb.js";
import {
  connState,
  gatewayId,
  meshEvent,
  samples,
  statsEvent,
  toJsonBytes,
  toProtobufBytes,
} from "./samples.ts";
import { protobuf } from "./v3-protobuf.ts";

const legacyId = Buffer.from(gatewayId, "hex");
const topics = {
  "gateway/stats": `eu868/gateway/${gatewayId}/event/stats`,
  "gateway/conn": `eu868/gateway/${gatewayId}/state/conn`,
  "gateway/mesh": `eu868/gateway/${gatewayId}/event/mesh`,
};

function decodeBytes<Kind extends GatewayEvent["kind"]>(
  kind: Kind,
  payload: Uint8Array,
): Extract<GatewayEvent, { kind: Kind }> {
  const result = decode(topics[kind], payload);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  assert.equal(result.value.kind, kind);
  return result.value as Extract<GatewayEvent, { kind: Kind }>;
}

function decodeJson<Kind extends GatewayEvent["kind"]>(
  kind: Kind,
  json: JsonObject,
): Extract<GatewayEvent, { kind: Kind }> {
  return decodeBytes(kind, toJsonBytes(json));
}

describe("stats", () => {
  test("has every counter, place, duty cycle in milliseconds and metadata", () => {
    assert.deepEqual(decodeJson("gateway/stats", statsEvent()), {
      kind: "gateway/stats",
      gatewayId,
      timeNs: 1_749_818_700_004_211_000n,
      isIdentified: true,
      location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
      rxReceived: 41,
      rxReceivedOk: 38,
      txReceived: 4,
      txEmitted: 3,
      txByStatus: new Map([
        ["OK", 3],
        ["TOO_LATE", 1],
      ]),
      dutyCycle: [
        {
          name: "L",
          frequencyMinHz: 865_000_000,
          frequencyMaxHz: 868_000_000,
          loadMaxMs: 36_000,
          loadTrackedMs: 1318.912,
        },
        {
          name: "P",
          frequencyMinHz: 869_400_000,
          frequencyMaxHz: 869_650_000,
          loadMaxMs: 360_000,
          loadTrackedMs: 0,
        },
      ],
      metadata: new Map([
        ["concentratord_version", "4.7.1"],
        ["temperature_c", "51.5"],
        ["model", "wm1302"],
      ]),
      dropped: [],
    });
  });

  test("a gateway that heard nothing says nothing but its id and time", () => {
    const silent = decodeJson("gateway/stats", { gatewayId, time: "2022-08-03T14:37:59Z" });
    assert.equal(silent.timeNs, 1_659_537_479_000_000_000n);
    assert.deepEqual([silent.rxReceived, silent.txByStatus.size, silent.dutyCycle], [0, 0, []]);
    assert.equal(silent.location, undefined);
    assert.equal(decodeJson("gateway/stats", { gatewayId }).isIdentified, false);
  });

  test("Gateway Bridge 3 is understood: an id in bytes, and its own names in JSON", () => {
    const json = decodeJson("gateway/stats", {
      gatewayID: legacyId.toString("base64"),
      time: "2021-03-09T07:00:00Z",
      rxPacketsReceived: 2,
      rxPacketsReceivedOK: 1,
      metaData: { gateway_name: "attic" },
      statsID: "sAzgEtzrTzOBKAKu0wdXVA==",
    });
    assert.deepEqual([json.gatewayId, json.rxReceivedOk, json.dropped], [gatewayId, 1, []]);
    assert.deepEqual([...json.metadata], [["gateway_name", "attic"]]);
    const binary = create(GatewayStatsSchema, { gatewayIdLegacy: legacyId, rxPacketsReceivedOk: 1 });
    assert.equal(decodeBytes("gateway/stats", toBinary(GatewayStatsSchema, binary)).gatewayId, gatewayId);
  });

  test("a counter or a band that does not fit costs that part", () => {
    const stats = statsEvent();
    const bands = [
      { name: "K", loadMax: "36s", loadTracked: "a lot" },
      { name: "L", loadMax: "36s", loadTracked: "0.5s" },
    ];
    const event = decodeJson("gateway/stats", {
      ...stats,
      rxPacketsReceived: "many",
      txPacketsPerStatus: { OK: 3, TOO_LATE: "twice" },
      dutyCycleStats: { bands },
    });
    assert.deepEqual([...event.txByStatus], [["OK", 3]]);
    assert.deepEqual(
      event.dutyCycle.map(({ name, loadTrackedMs }) => [name, loadTrackedMs]),
      [["L", 500]],
    );
    assert.deepEqual([...event.dropped].sort(), [
      "dutyCycleStats.bands[0].loadTracked",
      "rxPacketsReceived",
      "txPacketsPerStatus.TOO_LATE",
    ]);
    assert.deepEqual([event.rxReceived, event.rxReceivedOk], [undefined, 38]);
    const wrong = { rxPacketsReceivedOk: -1, txPacketsReceived: 0.5, txPacketsEmitted: true };
    const { rxReceived, rxReceivedOk, txReceived, txEmitted } = decodeJson("gateway/stats", {
      ...stats,
      ...wrong,
    });
    assert.deepEqual(
      [rxReceived, rxReceivedOk, txReceived, txEmitted],
      [41, undefined, undefined, undefined],
    );
  });

  test("metadata, statuses and bands are bounded, the same in both encodings", () => {
    const metadata: JsonObject = { banner: `${"x".repeat(255)}🌩 and so on`, ["k".repeat(65)]: "v" };
    for (let index = 0; index < 100; index += 1) metadata[`key${index}`] = "v";
    const txPacketsPerStatus = Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`S${index}`, 1]));
    const bands = Array.from({ length: 70 }, () => ({ name: "L" }));
    const json = { gatewayId, metadata, txPacketsPerStatus, dutyCycleStats: { bands } };
    const event = decodeJson("gateway/stats", json);
    assert.deepEqual(decodeBytes("gateway/stats", toProtobufBytes(json, GatewayStatsSchema)), event);
    assert.equal(event.metadata.size, 64);
    assert.equal(event.metadata.get("banner"), "x".repeat(255), "a surrogate pair is not cut through");
    assert.deepEqual([event.txByStatus.size, event.dutyCycle.length], [64, 64]);
    assert.ok(event.dropped.includes("metadata.banner"));
    assert.ok(event.dropped.includes(`metadata.${"k".repeat(64)}`));
    assert.ok(event.dropped.includes("dutyCycleStats.bands[64…]"));
    assert.ok(event.dropped.length <= 70);
  });

  test("a metadata value of 256 characters is whole, one of 257 is cut to as many", () => {
    const metadata = { longest: "x".repeat(256), longer: "x".repeat(257) };
    const event = decodeJson("gateway/stats", { gatewayId, metadata });
    assert.deepEqual([...event.metadata.values()], ["x".repeat(256), "x".repeat(256)]);
    assert.deepEqual(event.dropped, ["metadata.longer"]);
  });

  test("of too much metadata the same keys stay in whatever order they come", () => {
    const entries = Array.from({ length: 100 }, (_, index): [string, string] => [`key${index}`, "v"]);
    const stats = (list: typeof entries): JsonObject => ({ gatewayId, metadata: Object.fromEntries(list) });
    const event = decodeJson("gateway/stats", stats(entries));
    assert.deepEqual(decodeJson("gateway/stats", stats(entries.toReversed())), event);
    assert.equal(event.metadata.size, 64);
  });
});

describe("conn", () => {
  test("is online only when it says so: OFFLINE is left out in both encodings", () => {
    const online = decodeJson("gateway/conn", connState());
    assert.deepEqual(online, {
      kind: "gateway/conn",
      gatewayId,
      timeNs: undefined,
      isIdentified: false,
      online: true,
      dropped: [],
    });
    const offline = { ...online, online: false };
    assert.deepEqual(decodeJson("gateway/conn", { gatewayId }), offline);
    assert.deepEqual(decodeJson("gateway/conn", { gatewayId, state: "OFFLINE" }), offline);
    assert.deepEqual(decodeJson("gateway/conn", { gatewayId, state: 0 }), offline);
    assert.deepEqual(decodeJson("gateway/conn", { gatewayId, state: null }), offline);
    const silent = toBinary(ConnStateSchema, create(ConnStateSchema, { gatewayId }));
    assert.deepEqual(decodeBytes("gateway/conn", silent), offline);
  });

  test("the id may be in bytes only, or in base64 as Gateway Bridge 3 writes it", () => {
    const legacy = { gatewayIdLegacy: legacyId.toString("base64"), state: "ONLINE" };
    const event = decodeBytes("gateway/conn", toProtobufBytes(legacy, ConnStateSchema));
    assert.deepEqual([event.gatewayId, event.online], [gatewayId, true]);
    const json = decodeJson("gateway/conn", { gatewayID: legacyId.toString("base64"), state: "ONLINE" });
    assert.deepEqual([json.gatewayId, json.online, json.dropped], [gatewayId, true, []]);
    assert.equal(decodeJson("gateway/conn", { gatewayId: gatewayId.toUpperCase() }).gatewayId, gatewayId);
  });

  test("a state that nobody knows says neither that the gateway is there nor that it is gone", () => {
    const unmapped = { ok: true, value: { kind: "unmapped", name: "gateway/conn" } };
    for (const state of ["Online", "SLEEPING", "", true, 7, -1, {}]) {
      const payload = toJsonBytes({ gatewayId, state });
      assert.deepEqual(decode(topics["gateway/conn"], payload), unmapped, JSON.stringify(state));
    }
    assert.deepEqual(decode(topics["gateway/conn"], protobuf({ 2: 5, 3: gatewayId })), unmapped);
  });
});

describe("mesh", () => {
  test("a heartbeat has the relay and the way it took", () => {
    assert.deepEqual(decodeJson("gateway/mesh", meshEvent()), {
      kind: "gateway/mesh",
      gatewayId,
      timeNs: 1_749_818_710_000_000_000n,
      isIdentified: true,
      relayId: "0b1f2e3d",
      path: [
        { relayId: "0b1f2e3d", rssiDbm: -97, snrDb: 4 },
        { relayId: "0a0b0c0d", rssiDbm: -71, snrDb: 0 },
      ],
      dropped: [],
    });
  });

  test("a maker's own events are unmapped, also beside nothing at all", () => {
    const proprietary = { proprietary: { eventType: 200, payload: "AQI=" } };
    const unmapped = { ok: true, value: { kind: "unmapped", name: "gateway/mesh" } };
    for (const events of [[proprietary], [], [{}]]) {
      const json = { ...meshEvent(), events };
      assert.deepEqual(decode(topics["gateway/mesh"], toJsonBytes(json)), unmapped);
      assert.deepEqual(decode(topics["gateway/mesh"], toProtobufBytes(json, MeshEventSchema)), unmapped);
    }
    const heartbeat = {
      heartbeat: {
        relayPath: [
          { relayId: "0A", rssi: -1 },
          { relayId: "0b", rssi: 0.5 },
        ],
      },
    };
    const mixed = decodeJson("gateway/mesh", { ...meshEvent(), events: [proprietary, heartbeat] });
    assert.deepEqual(mixed.path, [{ relayId: "0a", rssiDbm: -1, snrDb: 0 }]);
    assert.deepEqual(mixed.dropped, ["events[1].heartbeat.relayPath[1].rssi"]);
  });

  test("of several heartbeats, which would be one point, the first counts and the others are listed", () => {
    const relayed = { heartbeat: { relayPath: [{ relayId: "0a", rssi: -1 }] } };
    const events = [{ proprietary: { eventType: 200 } }, { heartbeat: {} }, relayed, {}, relayed];
    const json = { ...meshEvent(), events };
    const event = decodeJson("gateway/mesh", json);
    assert.deepEqual([event.path, event.dropped], [[], ["events[2]", "events[4]"]]);
    assert.deepEqual(decodeBytes("gateway/mesh", toProtobufBytes(json, MeshEventSchema)), event);
    const many = { ...json, events: Array.from({ length: 300 }, () => relayed) };
    for (const payload of [toJsonBytes(many), toProtobufBytes(many, MeshEventSchema)]) {
      const { dropped } = decodeBytes("gateway/mesh", payload);
      assert.ok(dropped.includes("events[63]") && dropped.includes("events[64…]"));
      assert.ok(dropped.length <= 65);
    }
  });
});

describe("every gateway message", () => {
  test("is read at any prefix, and where the topic is silent by its keys", () => {
    for (const { topic, json } of samples()) {
      if (!topic.startsWith("eu868/gateway/")) continue;
      const expected = decode(topic, toJsonBytes(json));
      assert.ok(expected.ok);
      for (const prefix of ["", "us915_0/", "site/7/"]) {
        assert.deepEqual(decode(prefix + topic.slice("eu868/".length), toJsonBytes(json)), expected);
      }
      assert.deepEqual(decode("somewhere", toJsonBytes(json)), expected);
    }
  });

  test("has to say which gateway it is from; the topic does not count", () => {
    for (const { topic, schema, json } of samples()) {
      if (!topic.startsWith("eu868/gateway/")) continue;
      for (const id of ["", "0016c001f153a14", "0016c001f153a14g"]) {
        const anonymous = { ...json, gatewayId: id };
        for (const payload of [toJsonBytes(anonymous), toProtobufBytes(anonymous, schema)]) {
          if (payload.length === 0) continue;
          const result = decode(topic, payload);
          assert.equal(result.ok ? "" : result.fault.code, "decode_no_gateway", topic);
        }
      }
    }
    const short = toBinary(
      ConnStateSchema,
      create(ConnStateSchema, { gatewayIdLegacy: Uint8Array.of(1, 2) }),
    );
    const result = decode(topics["gateway/conn"], short);
    assert.equal(result.ok ? "" : result.fault.code, "decode_no_gateway");
  });
});
