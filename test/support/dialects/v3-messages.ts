/**
 * What ChirpStack v3 publishes, of 2026-03-10: its three encodings, and its topics of different ages. Literal
 * texts and field numbers.
 */
import { double, hex, protobuf } from "../../unit/chirpstack/v3-protobuf.ts";
import type { Fields } from "../../unit/chirpstack/v3-protobuf.ts";
import type { Message } from "../publisher.ts";

/** `json_v3`, the default: ids in hexadecimal, no time but that of a gateway with GPS. */
const tank = {
  applicationID: "123",
  applicationName: "water",
  deviceName: "tank 1",
  devEUI: "a840410000000101",
  tags: { building: "water" },
};
/** Only uplinks name it. */
const tankProfile = {
  deviceProfileName: "Dragino LDDS75",
  deviceProfileID: "d3000000-0000-4000-8000-000000000075",
};

const tankUplink: Message = {
  topic: "application/123/device/a840410000000101/event/up",
  payload: JSON.stringify({
    ...tank,
    ...tankProfile,
    rxInfo: [
      {
        gatewayID: "b827ebfffed7e6e4",
        uplinkID: "a0d00639-cc37-4cff-8490-29be51208cc4",
        name: "roof",
        time: "2026-03-10T11:50:00.981337Z",
        rssi: -33,
        loRaSNR: 8.2,
        location: { latitude: 46.5, longitude: 7.5, altitude: 600 },
      },
      {
        gatewayID: "7276ff000b031df7",
        uplinkID: "a0d00639-cc37-4cff-8490-29be51208cc5",
        name: "silo",
        rssi: -97,
        loRaSNR: -4.5,
        location: null,
      },
    ],
    txInfo: { frequency: 868_300_000, dr: 5 },
    adr: true,
    fCnt: 261,
    fPort: 2,
    data: "DQAH",
    object: { Bat: 3.338, Distance: "2025 mm", Interrupt_flag: 0, TempC_DS18B20: "0.00" },
  }),
};

/** Kept by the broker since nobody knows when. */
export const retainedUplink: Message = {
  topic: "application/123/device/a840410000000103/event/up",
  payload: JSON.stringify({
    ...tank,
    ...tankProfile,
    deviceName: "tank 3",
    devEUI: "a840410000000103",
    txInfo: { frequency: 868_100_000, dr: 5 },
    adr: true,
    fCnt: 7,
    fPort: 2,
    data: "DQAH",
    object: { Bat: 1.1 },
  }),
  retain: true,
};

/** On a topic of v2, without any time: it is the one of the receipt. */
const oldTopicUplink: Message = {
  topic: "application/123/device/a840410000000102/rx",
  payload: JSON.stringify({
    applicationID: "123",
    applicationName: "water",
    deviceName: "tank 2",
    devEUI: "a840410000000102",
    deviceProfileName: "Dragino LDDS75",
    txInfo: { frequency: 868_100_000, dr: 0 },
    rxInfo: [{ gatewayID: "b827ebfffed7e6e4", name: "roof", rssi: -99, loRaSNR: -3, location: null }],
    adr: false,
    fCnt: 5,
    fPort: 2,
    data: "DQ==",
    object: { Bat: 3.5 },
  }),
};

const tankError: Message = {
  topic: "application/123/device/a840410000000101/event/error",
  payload: JSON.stringify({
    ...tank,
    type: "UPLINK_FCNT_RETRANSMISSION",
    error: "frame-counter did not increment",
    fCnt: 260,
  }),
};

/** `json`: protobuf's own JSON, with ids in base64 and the object as text. */
const trough = {
  applicationID: "124",
  applicationName: "stables",
  deviceName: "trough",
  devEUI: "AgIDBAUGBwg=",
  tags: {},
};

const troughUplink: Message = {
  topic: "application/124/device/0202030405060708/event/up",
  payload: JSON.stringify({
    ...trough,
    deviceProfileID: "d3000000-0000-4000-8000-000000000012",
    deviceProfileName: "LHT65N",
    rxInfo: [
      {
        gatewayID: "uCfr//7X5uQ=",
        time: null,
        timeSinceGPSEpoch: null,
        rssi: -60,
        loRaSNR: 0,
        channel: 0,
        rfChain: 0,
        board: 0,
        antenna: 0,
        location: { latitude: 0, longitude: 0, altitude: 0, source: "UNKNOWN", accuracy: 0 },
        fineTimestampType: "NONE",
        context: "Hw9+zQ==",
        uplinkID: "oNAGOcw3TP+EkCm+USCMxA==",
        crcStatus: "CRC_OK",
      },
    ],
    txInfo: {
      frequency: 868_500_000,
      modulation: "LORA",
      loRaModulationInfo: {
        bandwidth: 125,
        spreadingFactor: 10,
        codeRate: "4/6",
        polarizationInversion: false,
      },
    },
    adr: false,
    dr: 2,
    fCnt: 9,
    fPort: 2,
    data: "AQI=",
    objectJSON: '{"BatV":3.1,"TempC_SHT":-1.25,"Hum_SHT":70,"TempC_DS":4.5}',
    confirmedUplink: true,
    devAddr: "AaRMTA==",
    publishedAt: "2026-03-10T11:51:00.5Z",
  }),
};

const troughStatus: Message = {
  topic: "application/124/device/0202030405060708/event/status",
  payload: JSON.stringify({
    ...trough,
    margin: 12,
    externalPowerSource: false,
    batteryLevelUnavailable: false,
    batteryLevel: 75.59,
    publishedAt: "2026-03-10T11:51:10Z",
  }),
};

/** Protobuf. */
const scale: Fields = { 1: 125n, 2: "weights", 3: "scale", 4: hex("0202030405060709") };

function binary(event: string, fields: Fields): Message {
  const topic = `application/125/device/0202030405060709/event/${event}`;
  return { topic, payload: protobuf({ ...scale, ...fields }) };
}

/** 2026-03-10T11:52:00Z and so many seconds. */
function time(secondsAfter: number, nanos = 0): Fields {
  return { 1: BigInt(1_773_143_520 + secondsAfter), 2: nanos };
}

const lora: Fields = { 1: 125, 2: 8, 3: "4/5" };

const scaleUplink = binary("up", {
  5: [
    {
      1: hex("b827ebfffed7e6e4"),
      2: time(0, 250_000_000),
      5: -71,
      6: double(5.5),
      7: 3,
      11: { 1: double(46.5), 2: double(7.5), 3: double(600) },
      17: 2,
    },
  ],
  6: { 1: 868_300_000, 3: lora },
  7: true,
  8: 4,
  9: 31,
  10: 6,
  11: hex("0102030405"),
  12: '{"weight":412.5,"stable":true,"unit":"kg"}',
  15: hex("01a44c70"),
  16: time(0, 600_000_000),
  17: "d3000000-0000-4000-8000-000000000099",
  18: "Scale",
});

const scaleEvents = [
  binary("join", { 5: hex("01a44c71"), 7: { 1: 868_100_000, 3: lora }, 8: 5, 10: time(10) }),
  binary("ack", { 5: true, 6: 12, 8: time(20) }),
  binary("txack", { 5: 13, 7: hex("b827ebfffed7e6e4"), 8: { 5: 869_525_000, 6: 27, 8: lora }, 9: time(30) }),
  binary("error", { 5: 8, 6: "frame-counter did not increment", 7: 30, 9: time(40) }),
  binary("status", { 5: -3, 7: true, 10: time(50) }),
  binary("location", { 5: { 1: double(46.5), 2: double(7.5), 3: double(600), 4: 3, 5: 40 }, 9: time(60) }),
  binary("integration", { 6: "loracloud", 7: "DAS_UplinkResponse", 8: '{"result":1}', 9: time(70) }),
];

export const v3Messages = [
  tankUplink,
  tankError,
  oldTopicUplink,
  troughUplink,
  troughStatus,
  scaleUplink,
  ...scaleEvents,
];

/** From another broker's site, which has a database of its own. */
export const site2Uplink: Message = {
  topic: "remote/site2/application/5/device/a840410000000501/event/up",
  payload: JSON.stringify({
    applicationID: "5",
    applicationName: "remote",
    deviceName: "well",
    deviceProfileName: "Well",
    deviceProfileID: "d3000000-0000-4000-8000-000000000501",
    devEUI: "a840410000000501",
    rxInfo: [
      {
        gatewayID: "0016c001f153a14c",
        name: "site 2",
        time: "2026-03-10T11:49:00Z",
        rssi: -88,
        loRaSNR: 1.5,
        location: { latitude: 1, longitude: 2, altitude: 3 },
      },
    ],
    txInfo: { frequency: 868_300_000, dr: 5 },
    adr: true,
    fCnt: 44,
    fPort: 3,
    data: "AQ==",
    object: { level: 1.75 },
  }),
};

/** `json_v3` of a gateway without GPS: nothing in it says when. */
export function untimedUplink(fCnt: number): Message {
  return {
    topic: "application/123/device/a840410000000101/event/up",
    payload: JSON.stringify({ ...tank, ...tankProfile, adr: true, fCnt, fPort: 2, data: "DQ==" }),
  };
}
