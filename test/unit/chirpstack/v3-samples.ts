/**
 * Events as ChirpStack v3 publishes them in its three encodings. The protobuf is put together from
 * the field numbers of v3's own schema, not with ours.
 */
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { double, hex, protobuf } from "./v3-protobuf.ts";
import type { Fields } from "./v3-protobuf.ts";

export const devEui = "0202030405060708";
const devEuiBase64 = "AgIDBAUGBwg=";
const devAddrBase64 = "AaRMTA==";
export const gatewayIds = ["b827ebfffed7e6e4", "7276ff000b031df7"] as const;
const uplinkUuid = "a0d00639-cc37-4cff-8490-29be51208cc4";

/** 2021-07-05T11:07:25.981337Z and 300 ms later. */
export const heardNs = 1_625_483_245_981_337_000n;
export const publishedNs = 1_625_483_246_281_000_000n;
const heard: Fields = { 1: 1_625_483_245n, 2: 981_337_000 };
const published: Fields = { 1: 1_625_483_246n, 2: 281_000_000 };
const heardText = "2021-07-05T11:07:25.981337Z";
const publishedText = "2021-07-05T11:07:26.281Z";

const tags: Fields = { 1: "building", 2: "barn-7" };

/** Every event begins so. */
const identity: Fields = { 1: 123n, 2: "barns", 3: "barn 7 north", 4: hex(devEui) };

const jsonIdentity: JsonObject = {
  applicationID: "123",
  applicationName: "barns",
  deviceName: "barn 7 north",
  devEUI: devEuiBase64,
  tags: { building: "barn-7" },
  publishedAt: publishedText,
};

const jsonV3Identity: JsonObject = {
  applicationID: "123",
  applicationName: "barns",
  deviceName: "barn 7 north",
  devEUI: devEui,
  tags: { building: "barn-7" },
};

export const expectedDevice = {
  tenantId: "",
  tenantName: "",
  applicationId: "123",
  applicationName: "barns",
  profileId: "",
  profileName: "",
  deviceName: "barn 7 north",
  devEui,
  tags: new Map([["building", "barn-7"]]),
};

/** One gateway with GPS and a known place, one with neither. */
const rxInfo: Fields[] = [
  {
    1: hex(gatewayIds[0]),
    2: heard,
    3: { 1: 1_309_518_463n, 2: 981_337_000 },
    5: -33,
    6: double(8.2),
    7: 4,
    8: 1,
    10: 1,
    11: { 1: double(47.1), 2: double(8.5), 3: double(512), 4: 1, 5: 3 },
    15: hex("1f0f7ecd"),
    16: hex(uplinkUuid.replaceAll("-", "")),
    17: 2,
  },
  // rssi 0, SNR 0, channel 0, no CRC: all left out on the wire.
  { 1: hex(gatewayIds[1]) },
];

const jsonRxInfo: JsonObject[] = [
  {
    gatewayID: "uCfr//7X5uQ=",
    time: heardText,
    timeSinceGPSEpoch: "1309518463.981337s",
    rssi: -33,
    loRaSNR: 8.2,
    channel: 4,
    rfChain: 1,
    board: 0,
    antenna: 1,
    location: { latitude: 47.1, longitude: 8.5, altitude: 512, source: "GPS", accuracy: 3 },
    fineTimestampType: "NONE",
    context: "Hw9+zQ==",
    uplinkID: "oNAGOcw3TP+EkCm+USCMxA==",
    crcStatus: "CRC_OK",
  },
  {
    gatewayID: "cnb/AAsDHfc=",
    time: null,
    timeSinceGPSEpoch: null,
    rssi: 0,
    loRaSNR: 0,
    channel: 0,
    rfChain: 0,
    board: 0,
    antenna: 0,
    location: null,
    fineTimestampType: "NONE",
    context: null,
    uplinkID: null,
    crcStatus: "NO_CRC",
  },
];

const jsonV3RxInfo: JsonObject[] = [
  {
    gatewayID: gatewayIds[0],
    uplinkID: uplinkUuid,
    name: "roof",
    time: heardText,
    rssi: -33,
    loRaSNR: 8.2,
    location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
  },
  { gatewayID: gatewayIds[1], uplinkID: uplinkUuid, name: "silo", rssi: -97, loRaSNR: -4.5, location: null },
];

const lora: Fields = { 1: 125, 2: 7, 3: "4/5" };
const jsonLora: JsonObject = {
  bandwidth: 125,
  spreadingFactor: 7,
  codeRate: "4/5",
  polarizationInversion: false,
};

export interface Sample {
  /** v3's `json`, with the defaults that Go's jsonpb writes. */
  readonly json: JsonObject;
  readonly jsonV3: JsonObject;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export function uplink(): Sample {
  return structuredClone({
    json: {
      ...jsonIdentity,
      deviceProfileID: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
      deviceProfileName: "EM300-TH",
      rxInfo: jsonRxInfo,
      txInfo: { frequency: 868_300_000, modulation: "LORA", loRaModulationInfo: jsonLora },
      adr: true,
      dr: 5,
      fCnt: 261,
      fPort: 3,
      data: "AXU9AwABBAAB",
      objectJSON: '{"temperature":21.4,"humidity":56,"error":null}',
      confirmedUplink: true,
      devAddr: devAddrBase64,
    },
    jsonV3: {
      ...jsonV3Identity,
      deviceProfileID: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
      deviceProfileName: "EM300-TH",
      rxInfo: jsonV3RxInfo,
      txInfo: { frequency: 868_300_000, dr: 5 },
      adr: true,
      fCnt: 261,
      fPort: 3,
      data: "AXU9AwABBAAB",
      object: { temperature: 21.4, humidity: 56, error: null },
    },
    bytes: protobuf({
      ...identity,
      5: rxInfo,
      6: { 1: 868_300_000, 3: lora },
      7: true,
      8: 5,
      9: 261,
      10: 3,
      11: hex("01753d030001040001"),
      12: '{"temperature":21.4,"humidity":56,"error":null}',
      13: tags,
      14: true,
      15: hex("01a44c4c"),
      16: published,
      17: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
      18: "EM300-TH",
    }),
  });
}

export function join(): Sample {
  return structuredClone({
    json: {
      ...jsonIdentity,
      devAddr: devAddrBase64,
      rxInfo: jsonRxInfo,
      txInfo: { frequency: 868_100_000, modulation: "LORA", loRaModulationInfo: jsonLora },
      dr: 5,
    },
    jsonV3: {
      ...jsonV3Identity,
      devAddr: "01a44c4c",
      rxInfo: jsonV3RxInfo,
      txInfo: { frequency: 868_100_000, dr: 5 },
    },
    bytes: protobuf({
      ...identity,
      5: hex("01a44c4c"),
      6: rxInfo,
      7: { 1: 868_100_000, 3: lora },
      8: 5,
      9: tags,
      10: published,
    }),
  });
}

export function ack(): Sample {
  return structuredClone({
    json: { ...jsonIdentity, acknowledged: true, fCnt: 12 },
    jsonV3: { ...jsonV3Identity, acknowledged: true, fCnt: 12 },
    bytes: protobuf({ ...identity, 5: true, 6: 12, 7: tags, 8: published }),
  });
}

export function txAck(): Sample {
  return structuredClone({
    json: {
      ...jsonIdentity,
      fCnt: 12,
      gatewayID: "uCfr//7X5uQ=",
      txInfo: {
        gatewayID: null,
        frequency: 869_525_000,
        power: 27,
        modulation: "LORA",
        loRaModulationInfo: { ...jsonLora, spreadingFactor: 12, polarizationInversion: true },
        board: 0,
        antenna: 0,
        timing: "DELAY",
        delayTimingInfo: { delay: "2s" },
        context: "Hw9+zQ==",
      },
    },
    jsonV3: { ...jsonV3Identity, fCnt: 12 },
    bytes: protobuf({
      ...identity,
      5: 12,
      6: tags,
      7: hex(gatewayIds[0]),
      8: { 5: 869_525_000, 6: 27, 8: { 1: 125, 2: 12, 3: "4/5", 4: true }, 12: 1, 14: { 1: { 1: 2n } } },
      9: published,
    }),
  });
}

export function errorEvent(): Sample {
  return structuredClone({
    json: {
      ...jsonIdentity,
      type: "UPLINK_FCNT_RETRANSMISSION",
      error: "frame-counter did not increment",
      fCnt: 260,
    },
    jsonV3: {
      ...jsonV3Identity,
      type: "UPLINK_FCNT_RETRANSMISSION",
      error: "frame-counter did not increment",
      fCnt: 260,
    },
    bytes: protobuf({
      ...identity,
      5: 8,
      6: "frame-counter did not increment",
      7: 260,
      8: tags,
      9: published,
    }),
  });
}

export function status(): Sample {
  return structuredClone({
    json: {
      ...jsonIdentity,
      margin: -7,
      externalPowerSource: false,
      batteryLevelUnavailable: false,
      batteryLevel: 88.3,
    },
    jsonV3: {
      ...jsonV3Identity,
      margin: -7,
      externalPowerSource: false,
      batteryLevel: 88.3,
      batteryLevelUnavailable: false,
    },
    bytes: protobuf({ ...identity, 5: -7, 8: new Float32Array([88.3]), 9: tags, 10: published }),
  });
}

export function location(): Sample {
  const place: Fields = { 1: double(47.1), 2: double(8.5), 3: double(512), 4: 3, 5: 40 };
  return structuredClone({
    json: {
      ...jsonIdentity,
      location: { latitude: 47.1, longitude: 8.5, altitude: 512, source: "GEO_RESOLVER_TDOA", accuracy: 40 },
      uplinkIDs: ["oNAGOcw3TP+EkCm+USCMxA=="],
      fCnt: 0,
    },
    jsonV3: { ...jsonV3Identity, location: { latitude: 47.1, longitude: 8.5, altitude: 512 } },
    bytes: protobuf({ ...identity, 5: place, 6: tags, 7: hex(uplinkUuid.replaceAll("-", "")), 9: published }),
  });
}

export function integration(): Sample {
  return structuredClone({
    json: {
      ...jsonIdentity,
      integrationName: "loracloud",
      eventType: "DAS_UplinkResponse",
      objectJSON: '{"result":{"info_fields":{"temp":25}}}',
    },
    jsonV3: {
      ...jsonV3Identity,
      integrationName: "loracloud",
      eventType: "DAS_UplinkResponse",
      object: { result: { info_fields: { temp: 25 } } },
    },
    bytes: protobuf({
      ...identity,
      5: tags,
      6: "loracloud",
      7: "DAS_UplinkResponse",
      8: '{"result":{"info_fields":{"temp":25}}}',
      9: published,
    }),
  });
}
