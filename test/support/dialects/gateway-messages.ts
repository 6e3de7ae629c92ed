/** What gateways say on topics of their own, with and without a region before them. Literal texts and field numbers. */
import { double, protobuf } from "../../unit/chirpstack/v3-protobuf.ts";
import type { Fields } from "../../unit/chirpstack/v3-protobuf.ts";
import type { Message } from "../publisher.ts";

/** 2026-03-10T12:00:00Z and so many seconds. */
function time(secondsAfter: number): Fields {
  return { 1: 1_773_144_000 + secondsAfter };
}

function entries(map: Readonly<Record<string, string | number>>): Fields[] {
  return Object.entries(map).map(([key, value]) => ({ 1: key, 2: value }));
}

/** What the broker hands out at each subscription. */
export const retainedConn: Message = {
  topic: "eu868/gateway/7276ff000b031df7/state/conn",
  payload: '{"gatewayId":"7276ff000b031df7","state":"ONLINE"}',
  retain: true,
};

export const connMessages: readonly Message[] = [
  // Without a state: OFFLINE, which is 0.
  {
    topic: "eu868/gateway/7276ff000b031df7/state/conn",
    payload: '{"gatewayId":"7276ff000b031df7"}',
    retain: true,
  },
  {
    topic: "eu868/gateway/7276ff000b031df7/state/conn",
    payload: protobuf({ 2: 1, 3: "7276ff000b031df7" }),
    retain: true,
  },
  // What it is already.
  {
    topic: "eu868/gateway/7276ff000b031df7/state/conn",
    payload: '{"gatewayId":"7276ff000b031df7","state":"ONLINE"}',
    retain: true,
  },
  {
    topic: "us915_0/gateway/7276ff000b031dfa/state/conn",
    payload: protobuf({ 3: "7276ff000b031dfa" }),
    retain: true,
  },
];

export const meshMessages: readonly Message[] = [
  {
    topic: "eu868/gateway/7276ff000b031df7/event/mesh",
    payload: JSON.stringify({
      gatewayId: "7276ff000b031df7",
      relayId: "0102AABB",
      time: "2026-03-10T11:48:00Z",
      events: [
        {
          heartbeat: {
            relayPath: [
              { relayId: "0102ccdd", rssi: -80, snr: 7 },
              { relayId: "0102eeff", rssi: -110, snr: -5 },
            ],
          },
        },
      ],
    }),
  },
  {
    topic: "eu868/gateway/7276ff000b031df7/event/mesh",
    payload: protobuf({ 1: "7276ff000b031df7", 2: "0102ccdd", 3: time(-720), 4: [{ 2: {} }] }),
  },
  // A maker's own event: no table is for it.
  {
    topic: "eu868/gateway/7276ff000b031df7/event/mesh",
    payload:
      '{"gatewayId":"7276ff000b031df7","relayId":"0102aabb","events":[{"proprietary":{"payload":"AQ=="}}]}',
  },
];

/** Two of one gateway within five minutes, the second one twice; one of another; one that comes late. */
const secondStats: Message = {
  topic: "eu868/gateway/7276ff000b031df7/event/stats",
  payload: protobuf({
    17: "7276ff000b031df7",
    2: time(40),
    3: { 1: double(47.2), 2: double(8.6), 3: double(513) },
    5: 20,
    6: 15,
    7: 1,
    8: 1,
    10: entries({ model: "RAK7289", cpu_temp: "49.25", serial: "12345", concentratord_version: "4.7" }),
    12: [{ 1: 869_525_000, 2: 1 }],
    16: entries({ OK: 1 }),
    18: {
      2: { 1: 3600 },
      3: [{ 1: "M", 2: 868_000_000, 3: 868_600_000, 4: { 1: 36 }, 5: { 1: 4, 2: 500_000_000 } }],
    },
  }),
};

export const statsMessages: readonly Message[] = [
  {
    topic: "eu868/gateway/7276ff000b031df7/event/stats",
    payload: JSON.stringify({
      gatewayId: "7276ff000b031df7",
      time: "2026-03-10T12:00:10Z",
      location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
      rxPacketsReceived: 10,
      rxPacketsReceivedOk: 7,
      txPacketsReceived: 4,
      txPacketsEmitted: 3,
      txPacketsPerStatus: { OK: 3, TOO_LATE: 1 },
      rxPacketsPerFrequency: { "868100000": 7 },
      dutyCycleStats: {
        window: "3600s",
        bands: [
          {
            name: "M",
            frequencyMin: 868_000_000,
            frequencyMax: 868_600_000,
            loadMax: "36s",
            loadTracked: "9s",
          },
          {
            name: "P",
            frequencyMin: 869_400_000,
            frequencyMax: 869_650_000,
            loadMax: "360s",
            loadTracked: "180s",
          },
        ],
      },
      metadata: { model: "RAK7289", cpu_temp: "48.5", serial: "12345" },
    }),
  },
  secondStats,
  secondStats,
  // No region in its topics; nothing was heard, and zeros are left out.
  {
    topic: "gateway/7276ff000b031df8/event/stats",
    payload: protobuf({ 17: "7276ff000b031df8", 2: time(20) }),
  },
  {
    topic: "eu868/gateway/7276ff000b031df7/event/stats",
    payload:
      '{"gatewayId":"7276ff000b031df7","time":"2026-03-10T11:52:00Z","rxPacketsReceived":5,"rxPacketsReceivedOk":5}',
  },
];

/** Frames themselves, which ChirpStack makes events of. */
export const unmappedMessages: readonly Message[] = [
  {
    topic: "eu868/gateway/7276ff000b031df7/event/up",
    payload: protobuf({ 1: new Uint8Array([64, 1, 2, 3]) }),
  },
];

export const site2GatewayMessages: readonly Message[] = [
  {
    topic: "remote/site2/gateway/0016c001f153a14c/state/conn",
    payload: '{"gatewayId":"0016c001f153a14c","state":"ONLINE"}',
  },
  {
    topic: "remote/site2/gateway/0016c001f153a14c/event/stats",
    payload:
      '{"gatewayId":"0016c001f153a14c","time":"2026-03-10T12:00:30Z","rxPacketsReceived":1,"rxPacketsReceivedOk":1,' +
      '"txPacketsReceived":1,"txPacketsEmitted":1,"txPacketsPerStatus":{"OK":1}}',
  },
  {
    topic: "remote/site2/gateway/0016c001f153a14c/event/mesh",
    payload:
      '{"gatewayId":"0016c001f153a14c","relayId":"0a0b0c0d","time":"2026-03-10T11:49:30Z","events":[{"heartbeat":' +
      '{"relayPath":[]}}]}',
  },
];

export function conn(gatewayId: string, online: boolean): Message {
  const topic = `eu868/gateway/${gatewayId}/state/conn`;
  return { topic, payload: JSON.stringify({ gatewayId, ...(online ? { state: "ONLINE" } : {}) }) };
}
