/** An asset tracker: drives, rests, and sometimes has no fix. See profiles.ts. */
import { clamp, dailyCurve } from "./sensor.ts";
import type { CodecObject, GatewayLocation } from "./event.ts";
import type { Random } from "./random.ts";
import type { Sensor } from "./sensor.ts";

export function createTracker(random: Random, at: GatewayLocation): Sensor {
  let latitude = at.latitude;
  let longitude = at.longitude;
  let heading = random.between(0, 2 * Math.PI);
  let moving = false;
  const battery = random.integer(40, 100);
  return {
    sample(atMs) {
      if (random.chance(0.1)) moving = !moving;
      if (moving) {
        heading += 0.4 * random.normal();
        // It turns round at the edge of the town: the radio links are those of its home.
        latitude = clamp(latitude + 0.0004 * Math.cos(heading), at.latitude - 0.02, at.latitude + 0.02);
        longitude = clamp(longitude + 0.0006 * Math.sin(heading), at.longitude - 0.03, at.longitude + 0.03);
      }
      const tenthsCelsius = Math.round(10 * (14 + 6 * dailyCurve(atMs, 15) + random.normal()));
      const head = Buffer.from([0x01, 0x75, battery, 0x03, 0x67, 0, 0, 0x05, 0x00, moving ? 2 : 0]);
      head.writeInt16LE(tenthsCelsius, 5);
      const object: CodecObject = {
        battery,
        temperature: tenthsCelsius / 10,
        motion_status: moving ? "moving" : "still",
      };
      if (random.chance(0.05)) {
        return {
          fPort: 85,
          data: head,
          object: { ...object, position: "no fix", latitude: null, longitude: null },
        };
      }
      const fix = Buffer.alloc(10);
      fix.set([0x04, 0x88], 0);
      const microLongitude = Math.round(longitude * 1e6);
      const microLatitude = Math.round(latitude * 1e6);
      fix.writeInt32LE(microLongitude, 2);
      fix.writeInt32LE(microLatitude, 6);
      return {
        fPort: 85,
        data: Buffer.concat([head, fix]),
        object: {
          ...object,
          position: "normal",
          latitude: microLatitude / 1e6,
          longitude: microLongitude / 1e6,
        },
      };
    },
  };
}
