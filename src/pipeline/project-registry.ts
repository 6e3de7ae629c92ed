import type { DeviceEvent, GatewayEvent, GatewayStats, Uplink } from "../chirpstack/event.ts";
import { clip } from "../registry/bounds.ts";
import { type DeviceObservation, observeDevice } from "../registry/device-record.ts";
import { type GatewayObservation, heardUplink, observeGateway } from "../registry/gateway-record.ts";
import type { DeviceRecord, GatewayRecord, StatsSum } from "../registry/records.ts";
import { recordTimeMs, type Seen } from "../registry/seen.ts";
import { addStats, type StatsOrigin, statsKey } from "../registry/stats-sum.ts";
import type { RegistryChanges, StoredRegistry } from "../state/registry-store.ts";

export interface RegistryLimits {
  readonly maxDevices: number;
  readonly maxGateways: number;
  /** Statistics with odd times could open any number of them. */
  readonly maxOpenSums: number;
}

export type UnsavedChanges = Omit<RegistryChanges, "position">;

/**
 * The registry in memory, and what of it is not in the file. Records are evicted by a save only, so that at
 * its position memory and file hold the same: what is read from there on is judged alike before and after a
 * crash.
 */
export class LiveRegistry {
  readonly #limits: RegistryLimits;
  readonly #devices = new Map<string, DeviceRecord>();
  readonly #gateways = new Map<string, GatewayRecord>();
  /** The open ones. */
  readonly #sums = new Map<string, StatsSum>();
  readonly #changedDevices = new Set<string>();
  readonly #changedGateways = new Set<string>();
  readonly #changedSums = new Set<string>();
  /** Keys of the sums that the file has, and those of them that are closed. */
  readonly #savedSums = new Set<string>();
  readonly #closedSums = new Map<string, StatsSum>();
  #nextCloseMs = Infinity;
  #statsLeftOut = 0;

  constructor({ devices, gateways, sums }: StoredRegistry, limits: RegistryLimits) {
    this.#limits = limits;
    for (const device of devices) this.#devices.set(device.devEui, device);
    for (const gateway of gateways) this.#gateways.set(gateway.gatewayId, gateway);
    for (const sum of sums) {
      const key = keyOf(sum);
      this.#sums.set(key, sum);
      this.#savedSums.add(key);
      this.#nextCloseMs = Math.min(this.#nextCloseMs, sum.closesMs);
    }
  }

  get deviceCount(): number {
    return this.#devices.size;
  }

  get gatewayCount(): number {
    return this.#gateways.size;
  }

  /** Statistics that are in no row, because others of their sum are gone. */
  get statsLeftOut(): number {
    return this.#statsLeftOut;
  }

  /** Rows that the next save writes. */
  get unsavedCount(): number {
    return (
      this.#changedDevices.size + this.#changedGateways.size + this.#changedSums.size + this.#closedSums.size
    );
  }

  observeDevice(event: DeviceEvent, seen: Seen): DeviceObservation {
    const { devEui } = event.device;
    const before = this.#devices.get(devEui);
    const observation = observeDevice(before, event, seen);
    if (observation.record !== before) {
      this.#devices.set(devEui, observation.record);
      this.#changedDevices.add(devEui);
    }
    if (event.kind === "up" && !seen.isRetained) this.#heard(event, recordTimeMs(seen));
    return observation;
  }

  #heard({ receptions }: Uplink, atMs: number): void {
    for (const { gatewayId, location } of receptions) {
      if (gatewayId === "") continue;
      const id = clip(gatewayId);
      this.#putGateway(id, heardUplink(this.#gateways.get(id), id, location, atMs));
    }
  }

  observeGateway(event: GatewayEvent, seen: Seen): GatewayObservation {
    const observation = observeGateway(this.#gateways.get(event.gatewayId), event, seen);
    this.#putGateway(event.gatewayId, observation.record);
    return observation;
  }

  #putGateway(id: string, record: GatewayRecord): void {
    if (record === this.#gateways.get(id)) return;
    this.#gateways.set(id, record);
    this.#changedGateways.add(id);
  }

  /** When the newest statistics of this gateway were sent; undefined before there are any. */
  lastStatsMs(gatewayId: string): number | undefined {
    return this.#gateways.get(gatewayId)?.lastStatsMs;
  }

  /**
   * Adds statistics to their sum, which is a matter of `receivedMs` (log time), unless that closes before
   * `fromMs`. They may open one sum too many: see `nextCloseMs`.
   */
  addStats(stats: GatewayStats, seen: Seen, origin: StatsOrigin, fromMs: number): void {
    const part = statsKey(stats.gatewayId, recordTimeMs(seen), seen.receivedMs);
    if (part.closesMs < fromMs) {
      this.#statsLeftOut += 1;
      return;
    }
    const before = this.#sums.get(part.key);
    const sum = addStats(before, part, stats, origin);
    if (sum === before) return;
    this.#sums.set(part.key, sum);
    this.#changedSums.add(part.key);
    this.#closedSums.delete(part.key);
    this.#nextCloseMs = Math.min(this.#nextCloseMs, sum.closesMs);
  }

  /** When more sums are open than may be, log time at which the first of them would close. */
  get crowdedUntilMs(): number | undefined {
    return this.#sums.size > this.#limits.maxOpenSums ? this.#nextCloseMs : undefined;
  }

  /** Closes the sums that are complete at this log time, and hands them over, the earliest first. */
  closeSums(logTimeMs: number): StatsSum[] {
    if (logTimeMs < this.#nextCloseMs) return [];
    const closed: StatsSum[] = [];
    this.#nextCloseMs = Infinity;
    for (const [key, sum] of this.#sums) {
      if (sum.closesMs > logTimeMs) {
        this.#nextCloseMs = Math.min(this.#nextCloseMs, sum.closesMs);
        continue;
      }
      closed.push(sum);
      this.#sums.delete(key);
      this.#changedSums.delete(key);
      if (this.#savedSums.has(key)) this.#closedSums.set(key, sum);
    }
    return closed.toSorted((a, b) => a.closesMs - b.closesMs);
  }

  /** The open sums are not to be made. */
  giveUpSums(): void {
    for (const { count } of this.closeSums(Infinity)) this.#statsLeftOut += count;
  }

  /** What a save must write. It says which records must leave; they do once `saved` has been told so. */
  unsaved(): UnsavedChanges {
    const { maxDevices, maxGateways } = this.#limits;
    const removedDevices = longestUnseen(this.#devices, maxDevices);
    const removedGateways = longestUnseen(this.#gateways, maxGateways);
    return {
      devices: pick(this.#devices, this.#changedDevices, removedDevices),
      gateways: pick(this.#gateways, this.#changedGateways, removedGateways),
      sums: pick(this.#sums, this.#changedSums, []),
      removedDevices,
      removedGateways,
      removedSums: [...this.#closedSums.values()],
    };
  }

  /** These changes, of this moment, are in the file. */
  saved({ removedDevices, removedGateways }: UnsavedChanges): void {
    for (const devEui of removedDevices) this.#devices.delete(devEui);
    for (const gatewayId of removedGateways) this.#gateways.delete(gatewayId);
    for (const key of this.#closedSums.keys()) this.#savedSums.delete(key);
    for (const key of this.#changedSums) this.#savedSums.add(key);
    this.#changedDevices.clear();
    this.#changedGateways.clear();
    this.#changedSums.clear();
    this.#closedSums.clear();
  }
}

/** The last moment before it closes is one at which its messages may be received. */
function keyOf({ gatewayId, bucketMs, closesMs }: StatsSum): string {
  return statsKey(gatewayId, bucketMs, closesMs - 1).key;
}

/** Keys of as many as there are too many. */
function longestUnseen(records: ReadonlyMap<string, { readonly lastSeenMs: number }>, max: number): string[] {
  const tooMany = records.size - max;
  if (tooMany <= 0) return [];
  const byAge = [...records].toSorted(
    ([aKey, a], [bKey, b]) => a.lastSeenMs - b.lastSeenMs || (aKey < bKey ? -1 : 1),
  );
  return byAge.slice(0, tooMany).map(([key]) => key);
}

function pick<T>(records: ReadonlyMap<string, T>, keys: Iterable<string>, but: readonly string[]): T[] {
  const left = new Set(but);
  const picked: T[] = [];
  for (const key of keys) {
    const record = left.has(key) ? undefined : records.get(key);
    if (record !== undefined) picked.push(record);
  }
  return picked;
}
