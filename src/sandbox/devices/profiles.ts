/**
 * The kinds of device in the simulated town. Each turns the time into a measurement, packs it into bytes
 * as such devices do (channel, type, little-endian value), and gives the `object` that its codec would
 * make of these bytes: what `object` says is never finer than what `data` can hold.
 */
import { createClimate, createWaterMeter } from "./sensors-environment.ts";
import { createDoor, createPeopleCounter } from "./sensors-presence.ts";
import { createTracker } from "./sensor-tracker.ts";
import type { GatewayLocation } from "./event.ts";
import type { Random } from "./random.ts";
import type { Sensor } from "./sensor.ts";

export type ApplicationName = "Buildings" | "Utilities" | "Logistics";

export interface Profile {
  readonly name: string;
  readonly application: ApplicationName;
  /** Its interval as a multiple of the fleet's. */
  readonly intervalFactor: number;
  readonly createSensor: (random: Random, at: GatewayLocation) => Sensor;
}

export const profiles: readonly Profile[] = [
  { name: "Climate", application: "Buildings", intervalFactor: 1, createSensor: createClimate },
  { name: "Door", application: "Buildings", intervalFactor: 1.5, createSensor: createDoor },
  { name: "Water meter", application: "Utilities", intervalFactor: 2, createSensor: createWaterMeter },
  { name: "Tracker", application: "Logistics", intervalFactor: 0.75, createSensor: createTracker },
  { name: "People counter", application: "Buildings", intervalFactor: 1, createSensor: createPeopleCounter },
];
