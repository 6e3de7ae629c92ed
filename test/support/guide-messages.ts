/**
 * A small farm for the queries of docs/tables.md: what its devices and gateways say, so little that every
 * answer can be worked out by hand.
 *
 * Day 0 is yesterday, in UTC: the now() that a query may ask for is 12 to 36 hours after its noon, when the
 * last of it happened. Most questions are about the morning of day 0, from 06:00 to 12:00.
 */
import { json } from "./dialects/v4-devices.ts";
import type { Message } from "./publisher.ts";

const dayMs = 86_400_000;
const midnightMs = (Math.floor(Date.now() / dayMs) - 1) * dayMs;

/** `at(-1, "06:30:00")`: at half past six the day before, as InfluxDB prints it. */
export function at(day: number, clock: string): string {
  return `${new Date(midnightMs + day * dayMs).toISOString().slice(0, 10)}T${clock}`;
}

/** What a device says. */
export interface GuideEvent {
  readonly devEui: string;
  readonly time: string;
  readonly message: Message;
  /** Rows that it makes, beside the one that the registry makes of a device each day. */
  readonly rows: number;
}

type Device = Parameters<typeof json>[0];

const north: Device = {
  devEui: "24e124136b500001",
  name: "barn north",
  profile: "EM300-TH",
  profileId: "e3000000-0000-4000-8000-000000000300",
};
const south: Device = { ...north, devEui: "24e124136b500002", name: "barn south" };
/** Of the same name as `north`, which it got in the morning of day 0, within an hour and a day of its rows. */
const namesake: Device = { ...north, devEui: "24e124136b500006" };
const shed: Device = { ...namesake, name: "shed" };
const attic: Device = { ...north, devEui: "24e124136b500003", name: "attic" };
const meter: Device = {
  devEui: "70b3d50000000004",
  name: "meter",
  profile: "Meter",
  profileId: "e3000000-0000-4000-8000-000000000003",
};
/** The meter under another name, which it got in the morning of day 0. */
const gauge: Device = { ...meter, name: "gauge" };
const lamp: Device = { ...meter, devEui: "70b3d50000000005", name: "lamp", profile: "Lamp" };

export const roof = "7276ff000b031df7";
export const mast = "7276ff000b031df8";

interface Heard {
  readonly by: string;
  readonly rssi: number;
  readonly snr: number;
}

interface Payload {
  readonly [key: string]: unknown;
  readonly history?: readonly object[];
}

interface Frame {
  readonly fCnt: number;
  readonly sf: number;
  readonly heard: readonly Heard[];
  /** Without one it is MAC commands only. */
  readonly object: Payload | undefined;
}

let events = 0;

function nextId(): string {
  events += 1;
  return `6d000000-0000-4000-8000-${events.toString(16).padStart(12, "0")}`;
}

function event(device: Device, kind: string, time: string, members: object, rows = 1): GuideEvent {
  // A log event has no id of its own.
  const deduplicationId = kind === "log" ? undefined : nextId();
  const message = json(device, kind, { deduplicationId, time: `${time}Z`, ...members });
  return { devEui: device.devEui, time, message, rows };
}

/** Seven bytes of payload; MAC commands are not told. */
function uplink(device: Device, devAddr: string, time: string, frame: Frame): GuideEvent {
  const { fCnt, sf, heard, object } = frame;
  const members = {
    devAddr,
    adr: true,
    dr: 12 - sf,
    fCnt,
    fPort: object === undefined ? 0 : 85,
    confirmed: false,
    data: object === undefined ? "" : "AQIDBAUGBw==",
    object,
    rxInfo: heard.map(({ by, rssi, snr }) => ({ gatewayId: by, nsTime: `${time}Z`, rssi, snr })),
    txInfo: {
      frequency: 868_100_000,
      modulation: { lora: { bandwidth: 125_000, spreadingFactor: sf, codeRate: "CR_4_5" } },
    },
    regionConfigId: "eu868",
  };
  const payloadRows = object === undefined ? 0 : 1 + (object.history?.length ?? 0);
  return event(device, "up", time, members, 1 + heard.length + payloadRows);
}

const onRoof: Heard = { by: roof, rssi: -80, snr: 9.5 };
const onMast: Heard = { by: mast, rssi: -110, snr: -4 };

/** Each half hour, on day 0 with two frames lost; its last reading has no temperature. */
function northUplinks(): GuideEvent[] {
  const send = (
    time: string,
    fCnt: number,
    object: Payload | undefined,
    heard = [onRoof],
    sf = 7,
  ): GuideEvent => uplink(north, "01000001", time, { fCnt, sf, heard, object });
  const clear: Heard = { by: mast, rssi: -95, snr: 1 };
  const historyS = Date.parse(`${at(0, "08:10:00")}Z`) / 1000;
  const history = [{ timestamp: historyS, temperature: 21.5, humidity: 62.5 }];
  return [
    send(at(-1, "09:00:00"), 100, { temperature: 4, humidity: 90 }),
    send(at(-1, "09:30:00"), 101, { temperature: 4, humidity: 90 }),
    send(at(-1, "10:00:00"), 102, { temperature: 4, humidity: 90 }),
    send(at(-1, "10:30:00"), 103, { temperature: 4, humidity: 90 }),
    // 39 half hours later.
    send(at(0, "06:00:00.123456789"), 142, { temperature: 18, humidity: 60 }),
    send(at(0, "06:30:00"), 143, { temperature: 20, humidity: 61 }, [
      { by: roof, rssi: -90, snr: 5 },
      { by: mast, rssi: -93, snr: 8 },
    ]),
    send(at(0, "07:00:00"), 144, { temperature: 21, humidity: 62 }),
    send(at(0, "08:30:00"), 147, { temperature: 22.5, humidity: 63, history }, [clear], 9),
    send(at(0, "09:00:00"), 148, { temperature: null, humidity: 64 }, [clear], 9),
    send(at(0, "09:30:00"), 149, undefined),
  ];
}

/** Each five minutes, since the night before day 0 each ten minutes; on day 0 a new session. One gateway hears it. */
function southUplinks(): GuideEvent[] {
  const send = (
    time: string,
    fCnt: number,
    temperature: number,
    { devAddr = "02000001", sf = 9, heard = onMast } = {},
  ): GuideEvent =>
    uplink(south, devAddr, time, { fCnt, sf, heard: [heard], object: { temperature, humidity: 70 } });
  const later = { devAddr: "02000002", sf: 12, heard: { by: mast, rssi: -118, snr: -12 } };
  return [
    send(at(-2, "23:40:00"), 10, 3),
    send(at(-2, "23:45:00"), 11, 3),
    send(at(-2, "23:50:00"), 12, 3),
    send(at(-2, "23:55:00"), 13, 3),
    send(at(-1, "00:05:00"), 14, 3),
    send(at(-1, "00:15:00"), 15, 3),
    send(at(-1, "00:25:00"), 16, 3),
    send(at(-1, "00:35:00"), 17, 3),
    send(at(-1, "00:45:00"), 18, 3),
    // 177 times ten minutes later.
    send(at(0, "06:15:00"), 195, 10),
    send(at(0, "06:25:00"), 196, 12),
    send(at(0, "07:05:00"), 200, 14),
    send(at(0, "07:15:00"), 0, 16, later),
    send(at(0, "07:35:00"), 2, 15.5, later),
  ];
}

/** Two in one hour, which both gateways hear; too few to know its interval. */
function namesakeUplinks(): GuideEvent[] {
  const send = (device: Device, time: string, fCnt: number, temperature: number): GuideEvent =>
    uplink(device, "05000001", time, {
      fCnt,
      sf: 7,
      heard: [onRoof, onMast],
      object: { temperature, humidity: 30 },
    });
  return [send(shed, at(0, "06:10:00"), 20, 30), send(namesake, at(0, "06:40:00"), 21, 32)];
}

/**
 * Once a day, so that it has not missed anything, and once again with the same counter; and one whose interval
 * nobody knows.
 */
function otherUplinks(): GuideEvent[] {
  const heard = [{ by: roof, rssi: -60, snr: 11 }];
  const send = (time: string, fCnt: number, device = meter, devAddr = "03000001"): GuideEvent =>
    uplink(device, devAddr, time, { fCnt, sf: 7, heard, object: { energy: 12.5 } });
  return [
    send(at(-4, "11:00:00"), 1),
    send(at(-3, "11:00:00"), 2),
    send(at(-2, "11:00:00"), 3),
    send(at(-1, "11:00:00"), 4),
    // In the same instant as another device.
    send(at(0, "09:00:00"), 5),
    // The first that was heard of a new session.
    send(at(0, "11:00:00"), 9, gauge, "03000002"),
    send(at(0, "11:03:00"), 9, gauge, "03000002"),
    uplink(attic, "04000001", at(-1, "12:00:00"), {
      fCnt: 5,
      sf: 7,
      heard,
      object: { temperature: 9, humidity: 40 },
    }),
  ];
}

function statuses(): GuideEvent[] {
  const status = (device: Device, time: string, members: object): GuideEvent =>
    event(device, "status", time, {
      margin: 10,
      externalPowerSource: false,
      batteryLevelUnavailable: false,
      batteryLevel: 0,
      ...members,
    });
  const mains = { externalPowerSource: true };
  return [
    status(north, at(-3, "06:00:00"), { batteryLevel: 99.5 }),
    status(north, at(-2, "06:00:00"), { batteryLevel: 90.5 }),
    status(north, at(-2, "18:00:00"), { batteryLevel: 91 }),
    status(north, at(-1, "06:00:00"), { batteryLevel: 89 }),
    status(north, at(0, "06:05:00"), { batteryLevel: 87.5 }),
    status(shed, at(-1, "06:20:00"), { batteryLevel: 71 }),
    status(shed, at(0, "06:15:00"), { batteryLevel: 70 }),
    status(namesake, at(0, "06:45:00"), { batteryLevel: 70.5 }),
    status(meter, at(-1, "11:05:00"), { batteryLevel: 55 }),
    status(gauge, at(0, "11:05:00"), { batteryLevelUnavailable: true }),
    status(lamp, at(-1, "06:10:00"), mains),
    status(lamp, at(0, "06:10:00"), mains),
  ];
}

function logsAndJoins(): GuideEvent[] {
  const log = (device: Device, time: string, level: object, code: string): GuideEvent =>
    event(device, "log", time, { ...level, code, description: "…", context: {} });
  const error = { level: "ERROR" };
  return [
    log(north, at(-1, "09:00:01"), error, "UPLINK_CODEC"),
    log(north, at(0, "06:00:01"), error, "UPLINK_CODEC"),
    log(north, at(0, "06:30:01"), error, "UPLINK_CODEC"),
    log(north, at(0, "09:00:01"), error, "UPLINK_CODEC"),
    log(shed, at(0, "06:10:01"), error, "UPLINK_CODEC"),
    log(namesake, at(0, "06:40:01"), error, "UPLINK_CODEC"),
    log(south, at(0, "07:07:00"), error, "OTAA"),
    log(south, at(0, "07:07:10"), error, "OTAA"),
    event(south, "join", at(0, "07:08:00"), { devAddr: "02000002", regionConfigId: "eu868" }),
    log(south, at(0, "07:15:01"), { level: "WARNING" }, "UPLINK_F_CNT_RESET"),
    // INFO, which is 0, is left out.
    log(lamp, at(0, "08:00:00"), {}, "RELAY_NEW_END_DEVICE"),
  ];
}

/** In the order of their times. */
export const guideEvents: readonly GuideEvent[] = [
  ...northUplinks(),
  ...southUplinks(),
  ...namesakeUplinks(),
  ...otherUplinks(),
  ...statuses(),
  ...logsAndJoins(),
].toSorted((a, b) => (a.time < b.time ? -1 : 1));

/**
 * Rows of `device` beside the first of each day: two when the interval is known (north's and south's; the meter's
 * is one of a day), and one for each new name.
 */
export const moreDeviceRows = 4;

function stats(gateway: string, clock: string, [received, good, sent]: readonly number[]): Message {
  const members = {
    rxPacketsReceived: received,
    rxPacketsReceivedOk: good,
    txPacketsReceived: sent,
    txPacketsEmitted: sent,
  };
  return {
    topic: `eu868/gateway/${gateway}/event/stats`,
    payload: JSON.stringify({ gatewayId: gateway, time: `${at(0, clock)}Z`, ...members }),
  };
}

/** Frames received, of them with a good checksum, and sent. Together they are six sums. */
export const guideStats: readonly Message[] = [
  stats(roof, "10:59:50", [7, 7, 7]),
  stats(roof, "11:40:10", [100, 90, 4]),
  stats(roof, "11:55:10", [60, 54, 1]),
  stats(mast, "11:55:20", [200, 199, 0]),
  stats(roof, "12:00:10", [50, 20, 2]),
  stats(mast, "12:00:20", [0, 0, 0]),
  stats(roof, "12:00:40", [30, 20, 1]),
];
export const statsSums = 6;
