/**
 * Gateways and the air between them and the devices. EU868, 125 kHz LoRa.
 *
 * Mean path loss is the urban fit 128.95 + 23.2 log10(d/km) dB with 7.8 dB of shadowing per link, fast
 * fading is drawn for each frame. A gateway hears a frame when the SNR reaches what its spreading factor
 * needs, so rssi, snr and spreading factor of one uplink always agree with each other.
 */
import type { GatewayLocation } from "./event.ts";
import type { Random } from "./random.ts";

const transmitPowerDbm = 14;
/** Thermal noise in 125 kHz (−123 dBm) and 6 dB of receiver noise figure. */
const noiseFloorDbm = -117;
/** Concentrators report no more than this, however near the device is. */
const highestSnrDb = 14;
const installationMarginDb = 6;
/** 5 dB more than SF12 needs: with fading of 2 dB hardly a frame is lost to it. */
const poorestSnrDb = -15;

const requiredSnrDb: ReadonlyMap<number, number> = new Map([
  [7, -7.5],
  [8, -10],
  [9, -12.5],
  [10, -15],
  [11, -17.5],
  [12, -20],
]);

/** By channel number, as EU868 gateways are usually set up. */
export const channelFrequenciesHz = [
  868_100_000, 868_300_000, 868_500_000, 867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000,
] as const;

/** Where a gateway takes `gwTime` from: a GNSS receiver, its system clock, or it states none. */
export type GatewayClock = "gps" | "system" | "none";

export interface Gateway {
  readonly gatewayId: string;
  readonly name: string;
  readonly location: GatewayLocation;
  readonly clock: GatewayClock;
  /** Its forwarder's resolution of SNR. */
  readonly snrStepDb: number;
}

export interface Link {
  readonly gateway: Gateway;
  readonly meanSnrDb: number;
}

export interface Reception {
  readonly gateway: Gateway;
  readonly rssiDbm: number;
  readonly snrDb: number;
}

const centre = { latitude: 52.0907, longitude: 5.1214 };
const clocks: readonly GatewayClock[] = ["gps", "none", "system", "gps"];

/** A point up to `radiusKm` from the middle of the simulated town, evenly over its area. */
export function somewhere(random: Random, radiusKm: number): GatewayLocation {
  const distanceKm = radiusKm * Math.sqrt(random.unit());
  const angle = random.between(0, 2 * Math.PI);
  return {
    latitude: round(centre.latitude + (distanceKm * Math.cos(angle)) / 111.2, 6),
    longitude: round(centre.longitude + (distanceKm * Math.sin(angle)) / 68.3, 6),
    altitude: random.integer(2, 40),
  };
}

export function createGateways(random: Random, count: number): Gateway[] {
  return Array.from({ length: count }, (_, index) => ({
    gatewayId: `0016c001${random.hex(4)}`,
    name: `gateway-${index + 1}`,
    location: somewhere(random, 2.5),
    clock: clocks[index % clocks.length] ?? "none",
    // UDP packet forwarders state tenths, Concentratord the chip's quarters.
    snrStepDb: index % 2 === 0 ? 0.25 : 0.1,
  }));
}

export function createLinks(random: Random, at: GatewayLocation, gateways: readonly Gateway[]): Link[] {
  const links = gateways.map((gateway) => {
    const pathLossDb = 128.95 + 23.2 * Math.log10(Math.max(0.05, distanceKm(at, gateway.location)));
    return { gateway, meanSnrDb: transmitPowerDbm - pathLossDb + 7.8 * random.normal() - noiseFloorDbm };
  });
  // Whoever installs a device gives it a better place or antenna until it gets through somewhere.
  const missingDb = Math.max(0, poorestSnrDb - Math.max(...links.map((link) => link.meanSnrDb)));
  return links.map(({ gateway, meanSnrDb }) => ({ gateway, meanSnrDb: meanSnrDb + missingDb }));
}

/** The fastest spreading factor that the best link carries with some margin, as ADR would choose it. */
export function chooseSpreadingFactor(links: readonly Link[]): number {
  const bestSnrDb = Math.max(...links.map((link) => link.meanSnrDb));
  for (const [spreadingFactor, requiredDb] of requiredSnrDb) {
    if (bestSnrDb - installationMarginDb >= requiredDb) return spreadingFactor;
  }
  return 12;
}

/** EU868: DR0 is SF12, DR5 is SF7. */
export function dataRateOf(spreadingFactor: number): number {
  return 12 - spreadingFactor;
}

/** How far a reception is above what its spreading factor needs. */
export function marginDb(spreadingFactor: number, snrDb: number): number {
  return snrDb - (requiredSnrDb.get(spreadingFactor) ?? 0);
}

/** Which gateways hear one frame, and how: none when it is lost on the air. */
export function transmit(random: Random, links: readonly Link[], spreadingFactor: number): Reception[] {
  const heard: Reception[] = [];
  for (const { gateway, meanSnrDb } of links) {
    const snrDb = meanSnrDb + 2 * random.normal();
    if (marginDb(spreadingFactor, snrDb) < 0) continue;
    // What a concentrator measures is signal and noise together: never much below the noise floor.
    const powerMw = 10 ** ((noiseFloorDbm + snrDb) / 10) + 10 ** (noiseFloorDbm / 10);
    heard.push({
      gateway,
      rssiDbm: Math.round(10 * Math.log10(powerMw)),
      snrDb: round(Math.round(Math.min(highestSnrDb, snrDb) / gateway.snrStepDb) * gateway.snrStepDb, 2),
    });
  }
  return heard;
}

function distanceKm(a: GatewayLocation, b: GatewayLocation): number {
  return Math.hypot((a.latitude - b.latitude) * 111.2, (a.longitude - b.longitude) * 68.3);
}

/** Never −0: JSON would say 0 for it and protobuf −0. */
function round(value: number, digits: number): number {
  return Number(value.toFixed(digits)) + 0;
}
