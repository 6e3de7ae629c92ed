import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { Event, JsonObject } from "../../../src/chirpstack/event.ts";
import { decodeFormerJson } from "../../../src/chirpstack/v3/decode.ts";
import { toJsonBytes } from "./samples.ts";
import { milesightDecoded, milesightUplink } from "./milesight-samples.ts";

function decoded(json: JsonObject, name?: string): Event {
  const result = decodeFormerJson(name, json);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  return result.value;
}

function uplinkFrom(json: JsonObject): Extract<Event, { kind: "up" }> {
  const event = decoded(json);
  assert.ok(event.kind === "up");
  return event;
}

/** 2024-11-05T14:01:49.217376Z; the gateway's own clock in whole seconds, one later. */
const heardNs = 1_730_815_309_217_376_000n;
const gatewayTimeNs = 1_730_815_310_000_000_000n;

const device = {
  tenantId: "",
  tenantName: "",
  applicationId: "1",
  applicationName: "barns",
  profileId: "",
  profileName: "",
  deviceName: "barn 7 north",
  devEui: "24e124136b502217",
  tags: new Map(),
};

const expectedUplink = {
  kind: "up",
  deduplicationId: "",
  timeNs: heardNs,
  isIdentified: true,
  device,
  devAddr: "",
  adr: true,
  confirmed: undefined,
  dr: undefined,
  fCnt: 128,
  fPort: 85,
  data: new Uint8Array([0x01, 0x75, 0x3d, 0x03, 0x00, 0x01, 0x04, 0x00, 0x01]),
  object: undefined,
  receptions: [
    {
      gatewayId: "24e124fffef54092",
      rssiDbm: -51,
      snrDb: 13.8,
      channel: undefined,
      gwTimeNs: heardNs,
      nsTimeNs: undefined,
      hasGpsTime: false,
      location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
      crcOk: undefined,
    },
  ],
  frequencyHz: 868_100_000,
  modulation: { kind: "lora", bandwidthHz: 125_000, spreadingFactor: 7, codeRate: "4/5" },
  relay: undefined,
  regionConfigId: "",
  dropped: [],
};

describe("an uplink of a Milesight gateway", () => {
  test("is read cell by cell, whatever its topic is", () => {
    for (const topic of ["barns", "milesight/uplink", "application/1/device/2/rx", "x/status"]) {
      const result = decode(topic, toJsonBytes(milesightUplink()));
      assert.deepEqual(result.ok && result.value, expectedUplink, topic);
    }
  });

  test("of older firmware has an application id in text and no serial number", () => {
    const { gatewaySN: _, gatewayTime: __, deviceID: ___, ...json } = milesightUplink();
    assert.deepEqual(uplinkFrom({ ...json, applicationID: "1" }), expectedUplink);
  });

  test("with a codec has the members that the envelope does not know as its object", () => {
    const event = uplinkFrom(milesightDecoded());
    assert.deepEqual(event, {
      ...expectedUplink,
      timeNs: gatewayTimeNs,
      device: { ...device, applicationName: "" },
      adr: undefined,
      fCnt: undefined,
      fPort: undefined,
      data: undefined,
      object: { battery: 92, temperature: 24.5 },
      receptions: [],
      frequencyHz: 0,
      modulation: undefined,
    });
  });

  test("is known by any one member that only these gateways write", () => {
    const own: readonly JsonObject[] = [
      { gatewaySN: "6123A1234567" },
      { gatewayTime: "2024-11-05T22:01:50+08:00" },
      { cellularIP: "10.0.0.1" },
      { rxInfo: [{ mac: "24e124fffef54092" }] },
      { txInfo: { dataRate: { modulation: "LORA" } } },
      // v3 writes it as text.
      { applicationID: 1 },
    ];
    for (const member of own) {
      const result = decode(
        "milesight/uplink",
        toJsonBytes({ devEUI: "24e124136b502217", temperature: 21.5, ...member }),
      );
      assert.ok(result.ok && result.value.kind === "up", Object.keys(member).join());
      assert.deepEqual(result.value.object, { temperature: 21.5 });
    }
  });

  test("with a number for its application is not one with v3's radio side, whoever wrote that", () => {
    const { dataRate: _, ...txInfo } = milesightUplink()["txInfo"] as JsonObject;
    const rxInfo = [{ gatewayID: "24e124fffef54092", rssi: -51, loRaSNR: 13.8 }];
    const json = { applicationID: 1, devEUI: "24e124136b502217", fCnt: 5, fPort: 85 };
    assert.equal(uplinkFrom({ ...json, rxInfo, txInfo }).receptions[0]?.gatewayId, "24e124fffef54092");
  });

  test("with a codec and no member of its own but devEUI is known by its topic", () => {
    const json = { devEUI: "24e124136b502217", temperature: 24.5, status: "online" };
    const event = decoded(json, "up");
    assert.ok(event.kind === "up");
    assert.deepEqual(event.object, { temperature: 24.5, status: "online" });
    assert.equal(event.isIdentified, false);
    const silent = decodeFormerJson(undefined, json);
    assert.equal(silent.ok ? "" : silent.fault.code, "decode_unknown_event");
    assert.match(silent.ok ? "" : (silent.fault.hint ?? ""), /applicationID/);
  });

  test("with a codec that leaves out the devEUI is refused, and the hint says what helps", () => {
    const { devEUI: _, ...json } = milesightDecoded();
    const result = decodeFormerJson("up", json);
    assert.ok(!result.ok);
    assert.equal(result.fault.code, "decode_no_device");
    assert.match(result.fault.hint ?? "", /devEUI/);
  });

  test("has a named object and the members beside it in one object", () => {
    assert.deepEqual(uplinkFrom({ ...milesightUplink(), object: { humidity: 56 } }).object, { humidity: 56 });
    const both = uplinkFrom({ ...milesightUplink(), battery: 92, object: { humidity: 56 } });
    assert.deepEqual(both.object, { battery: 92, humidity: 56 });
    assert.equal(uplinkFrom({ ...milesightUplink(), object: null }).object, undefined);
    assert.deepEqual(uplinkFrom({ ...milesightUplink(), object: "on" }).object, { object: "on" });
  });

  test("keeps a decoded member __proto__ as a member", () => {
    const json = JSON.parse(
      '{"devEUI":"24e124136b502217","gatewaySN":"1","__proto__":{"x":1}}',
    ) as JsonObject;
    const { object } = uplinkFrom(json);
    assert.ok(object !== undefined && Object.hasOwn(object, "__proto__"));
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
  });

  test("takes a gateway's MAC in any spelling; one of 48 bits becomes the EUI-64 made of it", () => {
    const gatewayIdOf = (mac: string): string | undefined =>
      uplinkFrom({ ...milesightUplink(), rxInfo: [{ mac, rssi: -51 }] }).receptions[0]?.gatewayId;
    assert.equal(gatewayIdOf("24E124FFFEF54092"), "24e124fffef54092");
    assert.equal(gatewayIdOf("24-E1-24-FF-FE-F5-40-92"), "24e124fffef54092");
    assert.equal(gatewayIdOf("24:e1:24:f5:40:92"), "24e124fffef54092");
    assert.equal(gatewayIdOf("24e124f54092"), "24e124fffef54092");
    assert.equal(gatewayIdOf("roof"), "");
  });

  test("without a time that is one takes the gateway's time, then that of the reception", () => {
    const { time: _, gatewayTime: __, ...json } = milesightUplink();
    const gatewayTime = "2024-11-05T22:01:50+08:00";
    // As in one of the maker's own examples.
    const bad = "2024-1105T14:01:49.217376Z";
    assert.equal(uplinkFrom({ ...json, time: bad, gatewayTime }).timeNs, gatewayTimeNs);
    assert.equal(uplinkFrom({ ...json, gatewayTime }).timeNs, gatewayTimeNs);
    assert.equal(uplinkFrom(json).timeNs, heardNs);
    const none = uplinkFrom({ ...json, time: bad, rxInfo: [] });
    assert.deepEqual([none.timeNs, none.isIdentified, none.dropped], [undefined, false, ["publishedAt"]]);
  });

  test("of FSK has a bit rate", () => {
    const dataRate = { modulation: "FSK", bitRate: 50_000 };
    const event = uplinkFrom({
      ...milesightUplink(),
      txInfo: { frequency: 868_800_000, adr: false, dataRate },
    });
    assert.deepEqual(event.modulation, { kind: "fsk", bitrateBps: 50_000 });
    assert.equal(event.adr, false);
  });

  test("at latitude, longitude and altitude 0 is at no known place; what the operator left out is unknown", () => {
    const rxInfo = [{ mac: "24e124fffef54092", latitude: 0, longitude: 0, altitude: 0 }];
    const [reception] = uplinkFrom({ ...milesightUplink(), rxInfo }).receptions;
    assert.equal(reception?.location, undefined);
    assert.equal(reception?.rssiDbm, undefined);
    assert.equal(reception?.snrDb, undefined);
  });

  test("at a place without its altitude is at that place, on no known height", () => {
    const placeOf = (place: JsonObject): unknown =>
      uplinkFrom({ ...milesightUplink(), rxInfo: [{ mac: "24e124fffef54092", ...place }] }).receptions[0]
        ?.location;
    const flat = { latitude: 47.1, longitude: 8.5, altitude: undefined };
    assert.deepEqual(placeOf({ latitude: 47.1, longitude: 8.5 }), flat);
    assert.equal(placeOf({ latitude: 47.1, altitude: 512 }), undefined);
    assert.equal(placeOf({ latitude: 0, longitude: 0 }), undefined);
    assert.equal(placeOf({ latitude: 0, longitude: 0, altitude: 512 }), undefined);
    const equator = { latitude: 0, longitude: 8.5, altitude: 512 };
    assert.deepEqual(placeOf(equator), equator);
  });
});

describe("a notice of a Milesight gateway", () => {
  const head = {
    applicationID: 1,
    applicationName: "barns",
    devEUI: "24e124136b502217",
    deviceID: 22,
    deviceName: "barn 7 north",
    gatewaySN: "6123A1234567",
    time: "2024-11-05T14:01:49.217376Z",
  };
  const told = { device, deduplicationId: "", timeNs: heardNs, isIdentified: true, dropped: [] };

  test("of an acknowledged downlink is an ack", () => {
    assert.deepEqual(decoded({ ...head, acknowledged: true, fcnt: 4996 }), {
      ...told,
      kind: "ack",
      queueItemId: "",
      acknowledged: true,
      fCntDown: 4996,
    });
  });

  test("of an error is a log of unknown code", () => {
    assert.deepEqual(decoded({ ...head, error: "downlink error,device offline" }), {
      ...told,
      kind: "log",
      level: "ERROR",
      code: "UNKNOWN",
      description: "downlink error,device offline",
      context: new Map(),
      fCnt: undefined,
    });
  });

  test("with a devAddr alone is a join", () => {
    assert.deepEqual(decoded({ ...head, devAddr: "0642fa41" }), {
      ...told,
      kind: "join",
      devAddr: "0642fa41",
      relay: undefined,
      regionConfigId: "",
    });
  });

  test("of what the gateway thinks of a device's presence has no table", () => {
    for (const status of ["online", "offline"]) {
      const event = decoded({ ...head, devAddr: "0642fa41", status }, "status");
      assert.deepEqual(event, { kind: "unmapped", name: status });
    }
  });
});
