/** Uplinks as ChirpStack v4 publishes them, for tests and benchmarks. */
import { fromJson, toBinary } from "@bufbuild/protobuf";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { UplinkEventSchema } from "../../../src/proto/integration/integration_pb.js";

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

/** The same event in ChirpStack's other encoding. */
export function toProtobufBytes(json: JsonObject): Uint8Array {
  return toBinary(UplinkEventSchema, fromJson(UplinkEventSchema, json));
}
