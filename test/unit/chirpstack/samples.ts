/** Events as ChirpStack v4 and its gateways publish them, for tests and benchmarks. */
import { fromJson, toBinary } from "@bufbuild/protobuf";
import type { DescMessage } from "@bufbuild/protobuf";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { ConnStateSchema, GatewayStatsSchema, MeshEventSchema } from "../../../src/proto/gw/gw_pb.js";
import {
  AckEventSchema,
  IntegrationEventSchema,
  JoinEventSchema,
  LocationEventSchema,
  LogEventSchema,
  StatusEventSchema,
  TxAckEventSchema,
  UplinkEventSchema,
} from "../../../src/proto/integration/integration_pb.js";

export const upTopic = "application/0e6f1d3c-3d2b-4b0e-9c70-0242ac120002/device/24e124538b223213/event/up";

/** A climate sensor heard by three gateways, in the field order and with the omitted zeros of v4.11+. */
export function climateUplink(): JsonObject {
  return {
    deduplicationId: "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    time: "2025-06-13T12:44:52.653481123+00:00",
    deviceInfo: {
      tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
      tenantName: "Hof Sonnental",
      applicationId: "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002",
      applicationName: "barns",
      deviceProfileId: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
      deviceProfileName: "EM300-TH",
      deviceName: "barn 7 north",
      devEui: "24e124538b223213",
      deviceClassEnabled: "CLASS_A",
      tags: { building: "barn-7", floor: "" },
    },
    devAddr: "01a44c4c",
    adr: true,
    dr: 5,
    fCnt: 153,
    fPort: 84,
    confirmed: false,
    data: "AXU9AwABBAAB",
    object: { temperature: 21.4, humidity: 56, battery: 92, state: "ok", history: [], error: null },
    rxInfo: [
      {
        gatewayId: "e4e124dadef64eee",
        uplinkId: 25127,
        gwTime: "2025-06-13T12:44:52.653481+00:00",
        nsTime: "2025-06-13T12:44:52.670509207+00:00",
        timeSinceGpsEpoch: "1433853910.653s",
        rssi: -68,
        snr: 13.2,
        channel: 4,
        location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
        context: "Hw9+zQ==",
        crcStatus: "CRC_OK",
      },
      {
        gatewayId: "badc0f76fec939dc",
        uplinkId: 17745,
        nsTime: "2025-06-13T12:44:52.671+00:00",
        rssi: -101,
        snr: -4.5,
        location: {},
        context: "Dbv5KQ==",
        metadata: { region_common_name: "EU868", region_config_id: "eu868" },
        crcStatus: "CRC_OK",
      },
      { gatewayId: "0016c001f153a14c", uplinkId: 1, rssi: -112, location: {}, crcStatus: "CRC_OK" },
    ],
    txInfo: {
      frequency: 867_300_000,
      modulation: { lora: { bandwidth: 125_000, spreadingFactor: 7, codeRate: "CR_4_5" } },
    },
    regionConfigId: "eu868",
  };
}

export function toJsonBytes(json: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

/** The same event in ChirpStack's other encoding, as far as our schema has it. */
export function toProtobufBytes(json: JsonObject, schema: DescMessage = UplinkEventSchema): Uint8Array {
  return toBinary(schema, fromJson(schema, json, { ignoreUnknownFields: true }));
}

/** A topic of each event that is mapped, with an event and its schema. */
export interface Sample {
  readonly topic: string;
  readonly schema: DescMessage;
  readonly json: JsonObject;
}

export const gatewayId = "0016c001f153a14c";

function deviceTopic(event: string): string {
  return upTopic.replace(/up$/, event);
}

function head(): JsonObject {
  const { deviceInfo = null } = climateUplink();
  return {
    deduplicationId: "c2a8d7a4-0c1e-4d0f-9a53-6f7f3f4a9b11",
    time: "2025-06-13T12:44:57.120004517+00:00",
    deviceInfo,
  };
}

/** As of v4.11+: message fields that are unset are left out; in txInfo and location so are zeros. */
export function joinEvent(): JsonObject {
  return {
    ...head(),
    devAddr: "01a44c4c",
    relayRxInfo: {
      devEui: "a84041ffff1e5dd2",
      frequency: 868_300_000,
      dr: 3,
      snr: -7,
      rssi: -104,
      worChannel: 1,
    },
    joinServerContext: { sessionKeyId: "0190c2f1" },
    regionConfigId: "eu868",
  };
}

export function ackEvent(): JsonObject {
  return {
    ...head(),
    queueItemId: "5b0e6a3e-8d3c-4a54-8a34-2f8d6e2c4f10",
    acknowledged: true,
    fCntDown: 42,
  };
}

export function txAckEvent(): JsonObject {
  const { deduplicationId: _none, ...rest } = head();
  return {
    downlinkId: 3_405_691_582,
    ...rest,
    queueItemId: "5b0e6a3e-8d3c-4a54-8a34-2f8d6e2c4f10",
    fCntDown: 42,
    gatewayId,
    txInfo: {
      frequency: 869_525_000,
      power: 27,
      modulation: {
        lora: { bandwidth: 125_000, spreadingFactor: 12, codeRate: "CR_4_5", polarizationInversion: true },
      },
      timing: { delay: { delay: "1s" } },
      context: "Hw9+zQ==",
    },
  };
}

/** A codec failure: its uplink comes without `object`. */
export function logEvent(): JsonObject {
  const { deduplicationId: _none, ...rest } = head();
  return {
    ...rest,
    level: "ERROR",
    code: "UPLINK_CODEC",
    description: "JS error: ReferenceError: decodeUplink is not defined\n    at <eval> (eval_script:42:1)\n",
    context: { deduplication_id: "3ac7e3c4-4401-4b8d-9386-a5c902f9202d" },
  };
}

export function statusEvent(): JsonObject {
  return {
    ...head(),
    margin: -6,
    externalPowerSource: false,
    batteryLevelUnavailable: false,
    batteryLevel: 88.188_98,
  };
}

export function locationEvent(): JsonObject {
  return {
    ...head(),
    location: {
      latitude: 46.9481,
      longitude: 7.4474,
      altitude: 540.5,
      source: "GEO_RESOLVER_TDOA",
      accuracy: 85.5,
    },
  };
}

export function integrationEvent(): JsonObject {
  return {
    ...head(),
    integrationName: "loracloud",
    eventType: "modem_geolocation",
    object: { position_solution: { llh: [46.9481, 7.4474, 540], accuracy: 30 }, pending: false, error: null },
  };
}

/** A concentrator in a duty-cycled band, with what its operator configured as metadata. */
export function statsEvent(): JsonObject {
  return {
    gatewayId,
    time: "2025-06-13T12:45:00.004211+00:00",
    location: { latitude: 47.1, longitude: 8.5, altitude: 512, source: "GPS" },
    configVersion: "7",
    rxPacketsReceived: 41,
    rxPacketsReceivedOk: 38,
    txPacketsReceived: 4,
    txPacketsEmitted: 3,
    metadata: { concentratord_version: "4.7.1", temperature_c: "51.5", model: "wm1302" },
    txPacketsPerFrequency: { "869525000": 1, "868100000": 2 },
    rxPacketsPerFrequency: { "867300000": 38 },
    txPacketsPerModulation: [
      { modulation: { lora: { bandwidth: 125_000, spreadingFactor: 9, codeRate: "CR_4_5" } }, count: 3 },
    ],
    rxPacketsPerModulation: [
      { modulation: { lora: { bandwidth: 125_000, spreadingFactor: 7, codeRate: "CR_4_5" } }, count: 30 },
      { modulation: { fsk: { datarate: 50_000 } }, count: 8 },
    ],
    txPacketsPerStatus: { OK: 3, TOO_LATE: 1 },
    dutyCycleStats: {
      regulation: "ETSI_EN_300_220",
      window: "3600s",
      bands: [
        {
          name: "L",
          frequencyMin: 865_000_000,
          frequencyMax: 868_000_000,
          loadMax: "36s",
          loadTracked: "1.318912s",
        },
        { name: "P", frequencyMin: 869_400_000, frequencyMax: 869_650_000, loadMax: "360s" },
      ],
    },
  };
}

export function connState(): JsonObject {
  return { gatewayId, state: "ONLINE" };
}

/** A relay two hops away. */
export function meshEvent(): JsonObject {
  return {
    gatewayId,
    relayId: "0b1f2e3d",
    time: "2025-06-13T12:45:10+00:00",
    events: [
      {
        heartbeat: {
          relayPath: [
            { relayId: "0b1f2e3d", rssi: -97, snr: 4 },
            { relayId: "0a0b0c0d", rssi: -71 },
          ],
        },
      },
    ],
  };
}

export function samples(): readonly Sample[] {
  const device = (event: string, schema: DescMessage, json: JsonObject): Sample => ({
    topic: deviceTopic(event),
    schema,
    json,
  });
  return [
    device("up", UplinkEventSchema, climateUplink()),
    device("join", JoinEventSchema, joinEvent()),
    device("ack", AckEventSchema, ackEvent()),
    device("txack", TxAckEventSchema, txAckEvent()),
    device("log", LogEventSchema, logEvent()),
    device("status", StatusEventSchema, statusEvent()),
    device("location", LocationEventSchema, locationEvent()),
    device("integration", IntegrationEventSchema, integrationEvent()),
    { topic: `eu868/gateway/${gatewayId}/event/stats`, schema: GatewayStatsSchema, json: statsEvent() },
    { topic: `eu868/gateway/${gatewayId}/state/conn`, schema: ConnStateSchema, json: connState() },
    { topic: `eu868/gateway/${gatewayId}/event/mesh`, schema: MeshEventSchema, json: meshEvent() },
  ];
}
