import type { DeviceEvent, GatewayEvent, GatewayStats, Uplink } from "../chirpstack/event.ts";
import { clip } from "../registry/bounds.ts";
import { type DeviceObservation, observeDevice } from "../registry/device-record.ts";
import {
  type ConnChange,
  type GatewayObservation,
  type GatewaySeen,
  heardUplink,
  observeGateway,
  showState,
} from "../registry/gateway-record.ts";
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
  readonly #tagKeys: readonly string[];
  readonly #devices = new Map<string, DeviceRecord>();
  readonly #gateways = new Map<string, GatewayRecord>();
  /** The open ones. */
  readonly #sums = new Map<string, StatsSum>();
  /** Gateways with a state that no row shows, and when it is due: the first due first. */
  readonly #unshownDueMs = new Map<string, number>();
  readonly #changedDevices = new Set<string>();
  readonly #changedGateways = new Set<string>();
  readonly #changedSums = new Set<string>();
  /** Keys of the sums that the file has, and those of them that are closed. */
  readonly #savedSums = new Set<string>();
  readonly #closedSums = new Map<string, StatsSum>();
  #nextCloseMs = Infinity;
  #statsLeftOut = 0;

  /** `tagKeys`: see `observeDevice`. */
  constructor(
    { devices, gateways, sums }: StoredRegistry,
    limits: RegistryLimits,
    tagKeys: readonly string[],
  ) {
    this.#limits = limits;
    this.#tagKeys = tagKeys;
    for (const device of devices) this.#devices.set(device.devEui, device);
    for (const gateway of gateways) this.#gateways.set(gateway.gatewayId, gateway);
    for (const { gatewayId, unshown } of gateways.toSorted(byDue)) {
      if (unshown !== undefined) this.#unshownDueMs.set(gatewayId, unshown.dueMs);
    }
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
    const observation = observeDevice(before, event, seen, this.#tagKeys);
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

  observeGateway(event: GatewayEvent, seen: GatewaySeen): GatewayObservation {
    const { gatewayId } = event;
    const before = this.#gateways.get(gatewayId);
    const observation = observeGateway(before, event, seen);
    const { unshown } = observation.record;
    this.#putGateway(gatewayId, observation.record);
    if (unshown === before?.unshown) return observation;
    // Behind all others: log time does not go back while any is unshown.
    this.#unshownDueMs.delete(gatewayId);
    if (unshown !== undefined) this.#unshownDueMs.set(gatewayId, unshown.dueMs);
    return observation;
  }

  /** The states that are due at this log time. */
  showStates(logTimeMs: number): ConnChange[] {
    const shown: ConnChange[] = [];
    for (const [gatewayId, dueMs] of this.#unshownDueMs) {
      if (dueMs > logTimeMs) break;
      this.#unshownDueMs.delete(gatewayId);
      const record = this.#gateways.get(gatewayId);
      if (record === undefined) continue;
      const { record: after, changes } = showState(record);
      this.#putGateway(gatewayId, after);
      shown.push(...changes);
    }
    return shown;
  }

  #putGateway(id: string, record: GatewayRecord): void {
    if (record === this.#gateways.get(id)) return;
    this.#gateways.set(id, record);
    this.#changedGateways.add(id);
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

  /**
   * What comes next is another log, or one that is read once more. Gateways stay known, but what statistics
   * were counted is of no use: a sum would be made of those that are not remembered.
   */
  forgetCounted(): void {
    for (const [gatewayId, record] of this.#gateways) {
      const unshown = record.unshown === undefined ? undefined : { ...record.unshown, dueMs: 0 };
      if (unshown !== undefined) this.#unshownDueMs.set(gatewayId, unshown.dueMs);
      const nothing = { statsTimesMs: [], statsForgottenMs: undefined, statsSource: "" };
      this.#putGateway(gatewayId, { ...record, ...nothing, unshown });
    }
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
    for (const gatewayId of removedGateways) {
      this.#gateways.delete(gatewayId);
      this.#unshownDueMs.delete(gatewayId);
    }
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

function byDue(a: GatewayRecord, b: GatewayRecord): number {
  return (a.unshown?.dueMs ?? 0) - (b.unshown?.dueMs ?? 0);
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
