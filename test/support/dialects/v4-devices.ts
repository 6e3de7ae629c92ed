/**
 * The devices of ChirpStack v4's messages, and how its two encodings say whose an event is: literal names and
 * field numbers, so that nothing of what reads them can have made them.
 */
import { double, protobuf } from "../../unit/chirpstack/v3-protobuf.ts";
import type { Fields } from "../../unit/chirpstack/v3-protobuf.ts";
import type { Message } from "../publisher.ts";

export const barns = "5b000000-0000-4000-8000-0000000000b1";

/** `deviceInfo` in the encoding that is asked for, from one line of a table. */
interface Device {
  readonly devEui: string;
  readonly name: string;
  readonly profile: string;
  readonly profileId: string;
  readonly building?: string;
}

export const north: Device = {
  devEui: "24e124136b500001",
  name: "barn north",
  profile: "EM300-TH",
  profileId: "e3000000-0000-4000-8000-000000000300",
  building: "north",
};
export const cellar: Device = {
  devEui: "a840410000000002",
  name: "cellar",
  profile: "LHT65N",
  profileId: "e3000000-0000-4000-8000-000000000065",
  building: "south",
};
export const meter: Device = {
  devEui: "0004a30b00000003",
  name: "meter",
  profile: "Meter",
  profileId: "e3000000-0000-4000-8000-000000000003",
};
export const probe: Device = {
  devEui: "70b3d50000000004",
  name: "Fühler 4",
  profile: "Äußere Fühler #1",
  profileId: "e3000000-0000-4000-8000-000000000004",
};
export const pump: Device = {
  devEui: "70b3d50000000005",
  name: "pump",
  profile: "Class C Pump",
  profileId: "e3000000-0000-4000-8000-000000000005",
};
export const lamp: Device = { ...pump, devEui: "70b3d50000000006", name: "lamp" };
export const gate: Device = { ...pump, devEui: "70b3d50000000007", name: "gate" };

/** Of another tenant. */
export const rented: Device = {
  devEui: "70b3d50000000008",
  name: "rented",
  profile: "Tracker",
  profileId: "e3000000-0000-4000-8000-000000000008",
};
function inJson({ devEui, name, profile, profileId, building }: Device): object {
  return {
    tenantId: "7e000000-0000-4000-8000-00000000000a",
    tenantName: "Farm",
    applicationId: barns,
    applicationName: "barns",
    deviceProfileId: profileId,
    deviceProfileName: profile,
    deviceName: name,
    devEui,
    deviceClassEnabled: "CLASS_A",
    tags: building === undefined ? {} : { building },
  };
}

export function inProtobuf({ devEui, name, profile, profileId, building }: Device): Fields {
  return {
    1: "7e000000-0000-4000-8000-00000000000a",
    2: "Farm",
    3: barns,
    4: "barns",
    5: profileId,
    6: profile,
    7: name,
    8: devEui,
    9: building === undefined ? [] : [{ 1: "building", 2: building }],
  };
}

export function json(device: Device, event: string, members: object): Message {
  return {
    topic: `application/${barns}/device/${device.devEui}/event/${event}`,
    payload: JSON.stringify({ deviceInfo: inJson(device), ...members }),
  };
}

export function binary(device: Device, event: string, fields: Fields): Message {
  return {
    topic: `application/${barns}/device/${device.devEui}/event/${event}`,
    payload: protobuf(fields),
  };
}

/** 2026-03-10T11:56:00Z and so many seconds. */
export function time(secondsAfter: number, nanos = 0): Fields {
  return { 1: 1_773_143_760 + secondsAfter, 2: nanos };
}

/** google.protobuf.Struct: of numbers (Value's field 2) and texts (3). */
export function struct(members: Readonly<Record<string, number | string>>): Fields {
  const entries = Object.entries(members);
  return {
    1: entries.map(([key, value]) => ({
      1: key,
      2: typeof value === "number" ? { 2: double(value) } : { 3: value },
    })),
  };
}
