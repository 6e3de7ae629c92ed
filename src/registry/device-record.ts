/**
 * What one more event tells about its device. Events come in the order of their receipt, and their times
 * may go back: a network server sends its backlog, a broker delivers twice. So:
 *
 * - `lastSeenMs`, `lastUplinkMs` and the times in `gateways` only move forward;
 * - names, profile and tags are taken from an event that is not older than the last one seen. "" does not
 *   replace a text: some dialects do not say it;
 * - frame counters are followed forward in time only: an older frame is late, not a reset. A later one with a
 *   lower counter, or with another device address, begins a session;
 * - a frame that comes again (same counter and address) is nothing new; one without a time of its own, or
 *   with the same, is a copy, and at most moves `lastSeenMs`. With another time it was sent again: repeated
 *   transmissions, or a device whose counter stands still;
 * - a retained message proves nothing about now: it teaches names alone. Where it is the first that we hear
 *   of a device, its time is all there is.
 *
 * `frame-counter.ts` says what the interval is.
 *
 * Of the tags, those that become tags of rows are kept as the rows of uplinks have them, however many others
 * there are: two tables that are joined by them must have the same ones. The others are kept while there is
 * room, and are no facts: no row has them.
 *
 * A changed fact wants a row, but one an hour at most, beside those of each day: a device that two network
 * servers know under two names changes it with every event. What has changed meanwhile is owed, and comes with
 * the next event after that.
 *
 * Records are never changed in place; one that learns nothing is returned itself.
 */
import type { DeviceEvent, DeviceInfo, Join, Reception, Status, Uplink } from "../chirpstack/event.ts";
import { cleanTagValue } from "../telemetry/names.ts";
import { clip, clipTexts, sameTexts, sameTextsAt } from "./bounds.ts";
import { followJoin, followUplink, isSameFrame } from "./frame-counter.ts";
import type { DeviceRecord, Power } from "./records.ts";
import { recordTimeMs } from "./seen.ts";
import type { Seen } from "./seen.ts";

const maxTags = 64;
const maxGateways = 16;
const dayMs = 86_400_000;
const betweenChangeRowsMs = 3_600_000;

const factNames = [
  "tenantId",
  "tenantName",
  "applicationId",
  "applicationName",
  "profileId",
  "profileName",
  "deviceName",
] as const;

export interface DeviceObservation {
  readonly record: DeviceRecord;
  /**
   * The table `device` wants a row: a new device, the first event of a UTC day, a changed fact, or the first
   * interval that is known, without which nobody can tell that the device is silent.
   */
  readonly rowDue: boolean;
}

/** `tagKeys`: keys of ChirpStack's device tags that become tags of rows. */
export function observeDevice(
  record: DeviceRecord | undefined,
  event: DeviceEvent,
  seen: Seen,
  tagKeys: readonly string[],
): DeviceObservation {
  const atMs = recordTimeMs(seen);
  if (record !== undefined && isCopy(record, event, atMs)) {
    return { record: seen.isRetained ? record : withLastSeen(record, event, atMs), rowDue: false };
  }
  const known = record ?? newRecord(event, atMs);
  const learned = atMs >= known.lastSeenMs ? withFacts(known, event, tagKeys) : known;
  const observed = seen.isRetained ? learned : withLife(learned, event, atMs);

  const isRowOwed = known.isRowOwed || saysOtherwise(known, learned, tagKeys);
  const day = Math.floor(atMs / dayMs);
  const isFirstOfDay = !seen.isRetained && day > (record?.rowDay ?? Number.NEGATIVE_INFINITY);
  const rowDay = Math.max(record?.rowDay ?? day, day);
  const isFirstInterval = known.intervalMs === undefined && observed.intervalMs !== undefined;
  if (record === undefined || isFirstOfDay || isFirstInterval)
    return { record: { ...observed, rowDay, isRowOwed: false }, rowDue: true };
  const mayChange = known.changeRowMs === undefined || atMs - known.changeRowMs >= betweenChangeRowsMs;
  if (isRowOwed && mayChange)
    return { record: { ...observed, rowDay, changeRowMs: atMs, isRowOwed: false }, rowDue: true };
  return { record: isRowOwed === observed.isRowOwed ? observed : { ...observed, isRowOwed }, rowDue: false };
}

function isCopy({ session }: DeviceRecord, event: DeviceEvent, atMs: number): boolean {
  if (event.kind !== "up" || session === undefined || !isSameFrame(session, event)) return false;
  return event.timeNs === undefined || atMs === session.lastUplinkMs;
}

function newRecord({ device, kind }: DeviceEvent, atMs: number): DeviceRecord {
  return {
    devEui: device.devEui,
    tenantId: "",
    tenantName: "",
    applicationId: "",
    applicationName: "",
    profileId: "",
    profileName: "",
    deviceName: "",
    tags: new Map(),
    firstSeenMs: atMs,
    lastSeenMs: atMs,
    lastEvent: kind,
    lastUplinkMs: undefined,
    session: undefined,
    intervalMs: undefined,
    intervalSamplesMs: [],
    gateways: new Map(),
    power: undefined,
    rowDay: undefined,
    changeRowMs: undefined,
    isRowOwed: false,
  };
}

/** The record itself when the event says nothing new. */
function withFacts(record: DeviceRecord, event: DeviceEvent, tagKeys: readonly string[]): DeviceRecord {
  const { device } = event;
  const changes: { -readonly [K in keyof DeviceRecord]?: DeviceRecord[K] } = {};
  let isChanged = false;
  for (const name of factNames) {
    const said = clip(device[name]);
    if (said === "" || said === record[name]) continue;
    changes[name] = said;
    isChanged = true;
  }
  const tags = saidTags(device, event.kind, tagKeys);
  if (tags !== undefined && !sameTexts(tags, record.tags)) {
    changes.tags = tags;
    isChanged = true;
  }
  return isChanged ? { ...record, ...changes } : record;
}

/** Uplinks carry all tags in every dialect that has tags; without any, another event does not tell. */
function saidTags(
  { tags }: DeviceInfo,
  kind: DeviceEvent["kind"],
  tagKeys: readonly string[],
): ReadonlyMap<string, string> | undefined {
  if (tags.size === 0 && kind !== "up") return undefined;
  const kept = new Map<string, string>();
  for (const key of tagKeys) {
    const value = tags.get(key);
    if (value !== undefined) kept.set(key, cleanTagValue(value));
  }
  for (const [key, value] of clipTexts(tags, maxTags)) {
    if (kept.size >= maxTags) break;
    if (!kept.has(key)) kept.set(key, value);
  }
  return kept;
}

/** Whether rows of the two would say something else. */
function saysOtherwise(before: DeviceRecord, after: DeviceRecord, tagKeys: readonly string[]): boolean {
  if (after === before) return false;
  return (
    factNames.some((name) => after[name] !== before[name]) || !sameTextsAt(tagKeys, before.tags, after.tags)
  );
}

/** What only a message that comes from the device now can tell. */
function withLife(record: DeviceRecord, event: DeviceEvent, atMs: number): DeviceRecord {
  const observed = withLastSeen(record, event, atMs);
  if (event.kind === "up") return withUplink(observed, event, atMs);
  if (event.kind === "join") return withJoin(observed, event, atMs);
  if (event.kind === "status") return withPower(observed, event, atMs);
  return observed;
}

function withLastSeen(record: DeviceRecord, event: DeviceEvent, atMs: number): DeviceRecord {
  if (atMs < record.lastSeenMs) return record;
  if (atMs === record.lastSeenMs && event.kind === record.lastEvent) return record;
  return { ...record, lastSeenMs: atMs, lastEvent: event.kind };
}

function withUplink(record: DeviceRecord, uplink: Uplink, atMs: number): DeviceRecord {
  return {
    ...record,
    ...followUplink(record, uplink, atMs),
    lastUplinkMs: Math.max(record.lastUplinkMs ?? atMs, atMs),
    gateways: heardBy(record.gateways, uplink.receptions, atMs),
  };
}

function withJoin(record: DeviceRecord, join: Join, atMs: number): DeviceRecord {
  const session = followJoin(record.session, join, atMs);
  return session === record.session ? record : { ...record, session };
}

function withPower(record: DeviceRecord, status: Status, atMs: number): DeviceRecord {
  if (record.power !== undefined && record.power.atMs > atMs) return record;
  const power: Power = {
    atMs,
    batteryPercent: status.batteryPercent,
    externalPower: status.externalPower,
    batteryUnavailable: status.batteryUnavailable,
    marginDb: status.marginDb,
  };
  return { ...record, power };
}

/**
 * Newest first, then by id: which 16 of many are kept depends on when they heard the device, and not on the
 * order in which we were told.
 */
function heardBy(
  known: ReadonlyMap<string, number>,
  receptions: readonly Reception[],
  atMs: number,
): ReadonlyMap<string, number> {
  const heard = new Map(known);
  for (const { gatewayId } of receptions) {
    if (gatewayId === "") continue;
    const id = clip(gatewayId);
    heard.set(id, Math.max(heard.get(id) ?? atMs, atMs));
  }
  const newestFirst = [...heard].toSorted(([a, aMs], [b, bMs]) => bMs - aMs || (a < b ? -1 : 1));
  return new Map(newestFirst.slice(0, maxGateways));
}
