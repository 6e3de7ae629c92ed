/** Climate sensors and water meters. See profiles.ts. */
import { clamp, dailyCurve } from "./sensor.ts";
import type { CodecObject } from "./event.ts";
import type { Random } from "./random.ts";
import type { Sensor } from "./sensor.ts";

export function createClimate(random: Random): Sensor {
  const meanCelsius = random.between(17, 23);
  let batteryPercent = random.between(60, 100);
  let driftCelsius = 0;
  let samples = random.integer(0, 9);
  return {
    sample(atMs) {
      driftCelsius = 0.95 * driftCelsius + 0.15 * random.normal();
      batteryPercent = Math.max(5, batteryPercent - 0.0005);
      samples += 1;
      const curve = dailyCurve(atMs, 15);
      const tenthsCelsius = Math.round(10 * (meanCelsius + 3 * curve + driftCelsius));
      const halfPercents = Math.round(2 * clamp(52 - 9 * curve - 2 * driftCelsius, 0, 100));
      const data = Buffer.from([0x03, 0x67, 0, 0, 0x04, 0x68, halfPercents]);
      data.writeInt16LE(tenthsCelsius, 2);
      const object: CodecObject = { temperature: tenthsCelsius / 10, humidity: halfPercents / 2 };
      // As many sensors do, the battery is only told now and then: payloads of two shapes.
      if (samples % 10 !== 0) return { fPort: 85, data, object };
      const battery = Math.round(batteryPercent);
      return {
        fPort: 85,
        data: Buffer.concat([Buffer.from([0x01, 0x75, battery]), data]),
        object: { battery, ...object },
      };
    },
  };
}

export function createWaterMeter(random: Random): Sensor {
  const litresPerHourAtPeak = random.between(40, 160);
  let litres = random.integer(10_000, 900_000);
  let remainder = 0;
  let previousMs: number | undefined;
  return {
    sample(atMs) {
      // Mornings and evenings; at night almost nothing flows.
      const demand = Math.max(0, dailyCurve(atMs, 7), dailyCurve(atMs, 19)) ** 2;
      const litresPerHour = Math.round(litresPerHourAtPeak * demand * random.between(0.2, 1.4));
      // One simulated interval stands for many minutes of a real one.
      const hours = (600 * (atMs - (previousMs ?? atMs))) / 3_600_000;
      previousMs = atMs;
      remainder += litresPerHour * hours;
      litres += Math.floor(remainder);
      remainder -= Math.floor(remainder);
      const leak = litresPerHour > 0 && demand < 0.01;
      const data = Buffer.alloc(11);
      data.set([0x05, 0xc8], 0);
      data.writeUInt32LE(litres >>> 0, 2);
      data.set([0x06, 0x7d], 6);
      data.writeUInt16LE(litresPerHour, 8);
      data.writeUInt8(leak ? 1 : 0, 10);
      const object = {
        pulses: litres,
        volume_m3: litres / 1000,
        flow: { litres_per_hour: litresPerHour, backward: false },
        leak,
        alarm: leak ? "continuous flow" : null,
      };
      return { fPort: 3, data, object };
    },
  };
}
