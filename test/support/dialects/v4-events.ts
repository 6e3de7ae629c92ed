/** What ChirpStack v4 says of devices beside their uplinks, of 2026-03-10: in both encodings, where there are two. */
import { double } from "../../unit/chirpstack/v3-protobuf.ts";
import type { Message } from "../publisher.ts";
import { barns, binary, gate, inProtobuf, json, lamp, north, pump, rented, time } from "./v4-devices.ts";

/** Each kind in both encodings. */
export const v4Events = [
  json(pump, "join", {
    deduplicationId: "4a000000-0000-4000-8000-000000000010",
    time: "2026-03-10T11:57:10+00:00",
    devAddr: "01a44c50",
    relayRxInfo: { devEui: "00000000000000aa", frequency: 868_100_000, dr: 5, snr: 3, rssi: -77 },
    regionConfigId: "eu868",
  }),
  binary(pump, "join", {
    1: "4a000000-0000-4000-8000-000000000011",
    2: time(80),
    3: inProtobuf(pump),
    4: "01a44c51",
    7: "eu868",
  }),
  json(pump, "ack", {
    deduplicationId: "4a000000-0000-4000-8000-000000000012",
    time: "2026-03-10T11:57:30+00:00",
    queueItemId: "9e000000-0000-4000-8000-000000000001",
    acknowledged: true,
    fCntDown: 4,
  }),
  // Not acknowledged in time: false is left out.
  binary(pump, "ack", {
    1: "4a000000-0000-4000-8000-000000000013",
    2: time(100),
    3: inProtobuf(pump),
    4: "9e000000-0000-4000-8000-000000000002",
    6: 5,
  }),
  json(pump, "txack", {
    downlinkId: 77,
    time: "2026-03-10T11:57:50+00:00",
    queueItemId: "9e000000-0000-4000-8000-000000000001",
    fCntDown: 4,
    gatewayId: "7276ff000b031df7",
    txInfo: {
      frequency: 869_525_000,
      power: 27,
      modulation: { lora: { bandwidth: 125_000, spreadingFactor: 9, codeRate: "CR_4_5" } },
      timing: { delay: { delay: "1s" } },
    },
  }),
  binary(pump, "txack", {
    1: 78,
    2: time(120),
    3: inProtobuf(pump),
    4: "9e000000-0000-4000-8000-000000000002",
    5: 5,
    6: "7276ff000b031df8",
    7: { 1: 868_100_000, 2: 14, 3: { 3: { 1: 125_000, 2: 7, 5: 1 } } },
  }),
  json(pump, "log", {
    time: "2026-03-10T11:58:10.015654971+00:00",
    level: "ERROR",
    code: "UPLINK_CODEC",
    description: 'JS error: Error: "decodeUplink" is not defined\n    at <eval>\n',
    context: { deduplication_id: "4a000000-0000-4000-8000-0000000000ff" },
  }),
  binary(pump, "log", {
    1: time(140),
    2: inProtobuf(pump),
    3: 1,
    4: 7,
    5: "Uplink was flagged as re-transmission",
    6: [{ 1: "deduplication_id", 2: "4a000000-0000-4000-8000-0000000000fe" }],
  }),
  json(pump, "location", {
    deduplicationId: "4a000000-0000-4000-8000-000000000016",
    time: "2026-03-10T11:58:30+00:00",
    location: { latitude: 47.25, longitude: 8.75, altitude: 500.5, source: "GEO_RESOLVER_TDOA" },
  }),
  binary(pump, "location", {
    1: "4a000000-0000-4000-8000-000000000017",
    2: time(160),
    3: inProtobuf(pump),
    4: { 1: double(-33.5), 2: double(151.25), 5: new Float32Array([12.3]) },
  }),
  json(pump, "integration", {
    deduplicationId: "4a000000-0000-4000-8000-000000000018",
    time: "2026-03-10T11:58:50+00:00",
    integrationName: "loracloud",
    eventType: "DAS_UplinkResponse",
    object: { result: { temp: 25 } },
  }),
  json(pump, "status", {
    deduplicationId: "4a000000-0000-4000-8000-000000000020",
    time: "2026-03-10T11:59:00+00:00",
    margin: -7,
    externalPowerSource: false,
    batteryLevelUnavailable: false,
    batteryLevel: 88.3,
  }),
  // The 0 % that come with the flags are no empty battery.
  binary(lamp, "status", {
    1: "4a000000-0000-4000-8000-000000000021",
    2: time(190),
    3: inProtobuf(lamp),
    5: 10,
    6: true,
  }),
  json(gate, "status", {
    deduplicationId: "4a000000-0000-4000-8000-000000000022",
    time: "2026-03-10T11:59:20+00:00",
    margin: 0,
    externalPowerSource: false,
    batteryLevelUnavailable: true,
    batteryLevel: 0,
  }),
];

/** They have a database of their own. */
const tenantB = { tenantId: "7e000000-0000-4000-8000-00000000000b", tenantName: "Tenant B" };

function ofTenantB({ topic, payload }: Message, prefix = ""): Message {
  const { deviceInfo, ...members } = JSON.parse(String(payload)) as { deviceInfo: object };
  const moved = { deviceInfo: { ...deviceInfo, ...tenantB }, ...members };
  return { topic: prefix + topic, payload: JSON.stringify(moved) };
}

export const tenantBMessages = [
  ofTenantB(
    json(rented, "up", {
      deduplicationId: "4a000000-0000-4000-8000-000000000030",
      time: "2026-03-10T11:54:00+00:00",
      devAddr: "01a44c60",
      adr: true,
      dr: 3,
      fCnt: 1,
      fPort: 1,
      confirmed: false,
      data: "AAE=",
      object: { inTrip: true, batV: 4.48 },
      rxInfo: [{ gatewayId: "7276ff000b031df7", nsTime: "2026-03-10T11:54:00.25+00:00", rssi: -50, snr: 9 }],
      txInfo: {
        frequency: 868_300_000,
        modulation: { lora: { bandwidth: 125_000, spreadingFactor: 9, codeRate: "CR_4_5" } },
      },
      regionConfigId: "eu868",
    }),
  ),
  ofTenantB(
    json(rented, "status", {
      deduplicationId: "4a000000-0000-4000-8000-000000000031",
      time: "2026-03-10T11:54:10+00:00",
      margin: 5,
      externalPowerSource: false,
      batteryLevelUnavailable: false,
      batteryLevel: 50,
    }),
  ),
  // By way of the other source: the tenant's route comes first.
  ofTenantB(
    json(rented, "log", {
      time: "2026-03-10T11:54:20+00:00",
      level: "INFO",
      code: "EXPIRED",
      description: "Queue-item expired",
      context: {},
    }),
    "remote/site2/",
  ),
];

/** What something else might publish there. */
export const brokenMessages: readonly Message[] = [
  { topic: `application/${barns}/device/${north.devEui}/event/up`, payload: '{"deviceInfo": {' },
  { topic: `application/${barns}/device/${north.devEui}/event/join`, payload: "" },
  { topic: `application/${barns}/device/${north.devEui}/event/up`, payload: "hello" },
  {
    topic: `application/${barns}/device/nobody/event/up`,
    payload: '{"deviceInfo":{"devEui":"nobody"},"fCnt":1}',
  },
];
