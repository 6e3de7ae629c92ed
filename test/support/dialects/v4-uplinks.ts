/**
 * Uplinks of ChirpStack v4 in both encodings, of 2026-03-10. All clocks agree that it is shortly before noon,
 * where it is not said otherwise.
 */
import { binary, cellar, inProtobuf, json, meter, north, probe, struct, time } from "./v4-devices.ts";

/** A payload with most of what codecs come up with, heard by two gateways. */
export const climateUplink = json(north, "up", {
  deduplicationId: "4a000000-0000-4000-8000-000000000001",
  time: "2026-03-10T11:55:00.123456789+00:00",
  devAddr: "01a44c4c",
  adr: true,
  dr: 5,
  fCnt: 153,
  fPort: 85,
  confirmed: false,
  data: "AXU9AwABBAAB",
  object: {
    temp: "21.50",
    humidity: { value: 56.5, unit: "%" },
    battery_voltage: 3600,
    status: { mounted: true, mode: "auto" },
    probe: [18.25, null, 18.75],
    time: 1,
    manDown: null,
    codecVersion: "1.2.0",
    serial: "007",
    // Half past eleven, and ten minutes later.
    history: [
      { timestamp: 1_773_142_200, temp: 20.5, humidity: 50 },
      { timestamp: 1_773_142_800, temp: 20.75, humidity: "n/a" },
    ],
  },
  rxInfo: [
    {
      gatewayId: "7276ff000b031df7",
      uplinkId: 25127,
      gwTime: "2026-03-10T11:55:00.1+00:00",
      nsTime: "2026-03-10T11:55:00.1175+00:00",
      rssi: -68,
      snr: 13.2,
      channel: 4,
      location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
      context: "Hw9+zQ==",
      crcStatus: "CRC_OK",
    },
    // SNR 0 and channel 0 are left out, as is what is not known.
    {
      gatewayId: "7276ff000b031df8",
      uplinkId: 11,
      nsTime: "2026-03-10T11:55:00.12+00:00",
      rssi: -101,
      location: {},
      crcStatus: "CRC_OK",
    },
  ],
  txInfo: {
    frequency: 867_300_000,
    modulation: { lora: { bandwidth: 125_000, spreadingFactor: 7, codeRate: "CR_4_5" } },
  },
  regionConfigId: "eu868",
});

/** By way of a relay, at SF12, with a bad checksum, and with no probe at the device. */
const relayedUplink = binary(cellar, "up", {
  1: "4a000000-0000-4000-8000-000000000002",
  2: time(0),
  3: inProtobuf(cellar),
  4: "01A44C4D",
  5: true,
  7: 7001,
  8: 2,
  9: true,
  10: new Uint8Array(11),
  11: struct({ BatV: 3.062, Bat_status: "Good", TempC_SHT: 28.29, Hum_SHT: 88.6, TempC_DS: 327.67 }),
  12: [
    {
      1: "7276FF000B031DF8",
      4: { 1: 1_457_178_978 },
      6: -120,
      7: new Float32Array([-4.3]),
      8: 2,
      16: 1,
    },
  ],
  13: { 1: 868_100_000, 2: { 3: { 1: 125_000, 2: 12, 5: 1 } } },
  14: { 1: "00000000000000AA", 2: 868_100_000, 3: 5, 4: -7, 5: -110 },
  16: "eu868",
});

/** MAC commands only, by FSK, and the network server tells of no gateway. */
const macOnlyUplink = json(meter, "up", {
  deduplicationId: "4a000000-0000-4000-8000-000000000003",
  time: "2026-03-10T11:56:10+00:00",
  devAddr: "01a44c4e",
  adr: false,
  dr: 7,
  fCnt: 0,
  fPort: 0,
  confirmed: true,
  data: "",
  rxInfo: [],
  txInfo: { frequency: 868_800_000, modulation: { fsk: { frequencyDeviation: 25_000, datarate: 50_000 } } },
  regionConfigId: "eu868",
});

/** Its GPS is two hours ahead. */
const aheadUplink = json(probe, "up", {
  deduplicationId: "4a000000-0000-4000-8000-000000000004",
  time: "2026-03-10T14:00:00+00:00",
  devAddr: "01a44c4f",
  adr: true,
  dr: 0,
  fCnt: 12,
  fPort: 2,
  confirmed: false,
  data: "AA==",
  object: { grid: [1, 2], note: "ok", open: false },
  rxInfo: [{ gatewayId: "7276ff000b031df9", nsTime: "2026-03-10T11:57:00.25+00:00", rssi: -90, snr: -2.25 }],
  txInfo: { frequency: 868_500_000, modulation: { lora: { bandwidth: 125_000, spreadingFactor: 12 } } },
  regionConfigId: "eu868",
});

export const v4Uplinks = [climateUplink, relayedUplink, macOnlyUplink, aheadUplink];
