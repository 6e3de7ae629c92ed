/** Sensors that follow people: door contacts and people counters. See profiles.ts. */
import { dailyCurve } from "./sensor.ts";
import type { Random } from "./random.ts";
import type { Sensor } from "./sensor.ts";

/** How busy a building is, 0 at night to 1 at two in the afternoon. */
function activity(atMs: number): number {
  return Math.max(0.02, (dailyCurve(atMs, 14) + 0.4) / 1.4);
}

export function createDoor(random: Random): Sensor {
  let open = random.chance(0.2);
  let battery = random.integer(70, 100);
  return {
    sample(atMs) {
      if (random.chance(0.2 + 0.7 * activity(atMs))) open = !open;
      if (random.chance(0.001)) battery = Math.max(1, battery - 1);
      const tampered = random.chance(0.005);
      return {
        fPort: 85,
        data: Buffer.from([0x01, 0x75, battery, 0x03, 0x00, open ? 1 : 0, 0x04, 0x00, tampered ? 1 : 0]),
        object: {
          battery,
          magnet_status: open ? "open" : "closed",
          tamper_status: tampered ? "uninstalled" : "installed",
          open,
        },
      };
    },
  };
}

export function createPeopleCounter(random: Random): Sensor {
  const peoplePerSample = random.between(1, 9);
  let totalIn = random.integer(0, 50_000);
  let totalOut = totalIn;
  return {
    sample(atMs) {
      const arrivals = Math.round(peoplePerSample * activity(atMs) * random.between(0, 2));
      const departures = Math.min(
        totalIn + arrivals - totalOut,
        Math.round(peoplePerSample * random.between(0, 1.5)),
      );
      const atSideDoor = Math.floor(arrivals * random.unit());
      totalIn += arrivals;
      totalOut += departures;
      const data = Buffer.alloc(14);
      data.set([0x0a, 0xd2], 0);
      data.writeUInt32LE(totalIn, 2);
      data.writeUInt32LE(totalOut, 6);
      data.set([arrivals - atSideDoor, departures, atSideDoor, 0], 10);
      return {
        fPort: 85,
        data,
        object: {
          lines: [
            { in: arrivals - atSideDoor, out: departures },
            { in: atSideDoor, out: 0 },
          ],
          total_in: totalIn,
          total_out: totalOut,
          inside: totalIn - totalOut,
        },
      };
    },
  };
}
