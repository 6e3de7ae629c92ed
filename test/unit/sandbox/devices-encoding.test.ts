import { fromBinary, toJson } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { test } from "node:test";
import { UplinkEventSchema } from "../../../src/proto/integration/integration_pb.js";
import { applicationEventJson, gatewayStatsJson } from "../../../src/sandbox/devices/encode-json.ts";
import {
  applicationEventProtobuf,
  gatewayOnlineProtobuf,
} from "../../../src/sandbox/devices/encode-protobuf.ts";
import type { RxInfo, UplinkFrame } from "../../../src/sandbox/devices/event.ts";

const rxInfo: RxInfo = {
  gatewayId: "0016c001aabbccdd",
  uplinkId: 25_127,
  gwTimeNs: 1_749_818_692_653_481_000n,
  nsTimeNs: 1_749_818_692_670_509_207n,
  sinceGpsEpochNs: 1_433_853_910_653_000_000n,
  rssiDbm: -68,
  snrDb: 13.2,
  channel: 4,
  rfChain: 0,
  location: { latitude: 52.1, longitude: 0, altitude: 12 },
  context: Uint8Array.of(0x1f, 0x0f, 0x7e, 0xcd),
};

const frame: UplinkFrame = {
  kind: "up",
  deduplicationId: "12f6d36d-7860-4dca-bcf0-297ad1a6db39",
  timeNs: 1_749_818_692_653_000_000n,
  device: {
    tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
    tenantName: "Sandbox",
    applicationId: "7a1d8c4e-3c7b-4a52-9d0f-6b5e1f2a9c01",
    applicationName: "Buildings",
    deviceProfileId: "b6f0b2a4-1111-4c8e-8d52-000000000000",
    deviceProfileName: "Climate",
    deviceName: "climate-001",
    devEui: "24e124538b223213",
    tags: {},
  },
  devAddr: "01a44c4c",
  dr: 5,
  spreadingFactor: 7,
  fCnt: 0,
  fPort: 84,
  confirmed: false,
  data: Uint8Array.of(1, 117, 61),
  object: { temperature: -0.5, state: null, nested: { on: false } },
  rxInfo: [rxInfo],
  frequencyHz: 867_300_000,
};

function json(event: UplinkFrame): unknown {
  return JSON.parse(applicationEventJson(event).toString());
}

test("the JSON of an uplink is ChirpStack's, to the letter", () => {
  assert.equal(
    applicationEventJson(frame).toString(),
    '{"deduplicationId":"12f6d36d-7860-4dca-bcf0-297ad1a6db39","time":"2025-06-13T12:44:52.653+00:00",' +
      '"deviceInfo":{"tenantId":"52f14cd4-c6f1-4fbd-8f87-4025e1d49242","tenantName":"Sandbox",' +
      '"applicationId":"7a1d8c4e-3c7b-4a52-9d0f-6b5e1f2a9c01","applicationName":"Buildings",' +
      '"deviceProfileId":"b6f0b2a4-1111-4c8e-8d52-000000000000","deviceProfileName":"Climate",' +
      '"deviceName":"climate-001","devEui":"24e124538b223213","deviceClassEnabled":"CLASS_A","tags":{}},' +
      '"devAddr":"01a44c4c","adr":true,"dr":5,"fCnt":0,"fPort":84,"confirmed":false,"data":"AXU9",' +
      '"object":{"temperature":-0.5,"state":null,"nested":{"on":false}},' +
      '"rxInfo":[{"gatewayId":"0016c001aabbccdd","uplinkId":25127,' +
      '"gwTime":"2025-06-13T12:44:52.653481+00:00","nsTime":"2025-06-13T12:44:52.670509207+00:00",' +
      '"timeSinceGpsEpoch":"1433853910.653s","rssi":-68,"snr":13.2,"channel":4,' +
      '"location":{"latitude":52.1,"altitude":12,"source":"GPS"},"context":"Hw9+zQ==","crcStatus":"CRC_OK"}],' +
      '"txInfo":{"frequency":867300000,"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":7,' +
      '"codeRate":"CR_4_5"}}},"regionConfigId":"eu868"}',
  );
});

test("inside rxInfo the zeros vanish and unset messages too, at the top they stay", () => {
  const bare: RxInfo = {
    ...rxInfo,
    gwTimeNs: undefined,
    sinceGpsEpochNs: undefined,
    snrDb: 0,
    channel: 0,
    location: undefined,
  };
  const shown = json({ ...frame, object: undefined, fPort: 0, data: new Uint8Array(), rxInfo: [bare] });
  const { object, ...rest } = json(frame) as Record<string, unknown>;
  assert.notEqual(object, undefined);
  assert.deepEqual(shown, {
    ...rest,
    fPort: 0,
    data: "",
    rxInfo: [
      {
        gatewayId: "0016c001aabbccdd",
        uplinkId: 25_127,
        nsTime: "2025-06-13T12:44:52.670509207+00:00",
        rssi: -68,
        location: {},
        context: "Hw9+zQ==",
        crcStatus: "CRC_OK",
      },
    ],
  });
});

test("times have no fraction, three, six or nine digits", () => {
  const at = (timeNs: bigint): unknown => (json({ ...frame, timeNs }) as { time: string }).time;
  assert.equal(at(1_749_818_692_000_000_000n), "2025-06-13T12:44:52+00:00");
  assert.equal(at(1_749_818_692_000_000_001n), "2025-06-13T12:44:52.000000001+00:00");
  assert.equal(at(1_749_818_692_120_000_000n), "2025-06-13T12:44:52.120+00:00");
  assert.equal(at(1_749_818_692_000_100_000n), "2025-06-13T12:44:52.000100+00:00");
});

test("protobuf says the same as JSON", () => {
  // A quarter of a dB is exact in 32 bits.
  const exact = { ...frame, rxInfo: [{ ...rxInfo, snrDb: 13.25 }] };
  const message = fromBinary(UplinkEventSchema, applicationEventProtobuf(exact));
  const { fCnt, confirmed, ...expected } = json(exact) as Record<string, unknown>;
  assert.deepEqual([fCnt, confirmed], [0, false]);
  const utc = (text: string): string => text.replaceAll("+00:00", "Z");
  const deviceInfo = { ...(expected["deviceInfo"] as object) } as Record<string, unknown>;
  // Zeros are not on the wire in protobuf.
  delete deviceInfo["deviceClassEnabled"];
  delete deviceInfo["tags"];
  const same = { ...(JSON.parse(utc(JSON.stringify(expected))) as object), deviceInfo };
  assert.deepEqual(toJson(UplinkEventSchema, message), same);
});

test("every other event has both encodings, and what they share is the same", () => {
  const { timeNs, device, deduplicationId } = frame;
  const about = { timeNs, device, deduplicationId };
  const log = applicationEventJson({
    ...about,
    kind: "log",
    level: "ERROR",
    code: "UPLINK_CODEC",
    description: "no",
  });
  assert.deepEqual(
    { ...(JSON.parse(log.toString()) as object), deviceInfo: 0 },
    {
      time: "2025-06-13T12:44:52.653+00:00",
      deviceInfo: 0,
      level: "ERROR",
      code: "UPLINK_CODEC",
      description: "no",
      context: { deduplication_id: deduplicationId },
    },
  );
  const ack = { ...about, kind: "ack", queueItemId: "q", acknowledged: true, fCntDown: 3 } as const;
  const bytes = Buffer.from(applicationEventProtobuf(ack));
  // 1: id, 2: time; at the end 4: "q", 5: true, 6: 3.
  assert.equal(bytes.subarray(0, 2).toString("hex"), "0a24");
  assert.equal(bytes.subarray(2, 38).toString(), deduplicationId);
  assert.equal(bytes.subarray(-7).toString("hex"), "22017128013003");
});

test("a gateway's statistics leave out what is zero or empty", () => {
  const stats = gatewayStatsJson({
    gatewayId: "0016c001aabbccdd",
    timeNs,
    location: undefined,
    rxPackets: 0,
    rxPacketsOk: 0,
    rxPacketsPerFrequencyHz: new Map(),
    metadata: {},
  });
  assert.equal(stats.toString(), '{"gatewayId":"0016c001aabbccdd","time":"2025-06-13T12:44:52.653+00:00"}');
  assert.equal(Buffer.from(gatewayOnlineProtobuf("ab")).toString("hex"), "10011a026162");
});

const { timeNs } = frame;
