/**
 * Which journalled payloads are of the device or the profile that was asked for, and what becomes of each of
 * their keys. Fed with messages, the newest first; what it keeps is bounded by how many it is given.
 */
import { decode } from "../chirpstack/decode.ts";
import { type DeviceInfo, isDeviceEvent, type Uplink } from "../chirpstack/event.ts";
import { pointTime } from "../chirpstack/time.ts";
import type { JournalMessage } from "../journal/message.ts";
import { ownSource } from "../pipeline/own-message.ts";
import { receiptFor } from "../pipeline/received-time.ts";
import { proposedMatch } from "../telemetry/mapping-proposal.ts";
import { explainPayload, type MappingTrace } from "../telemetry/mapping-trace.ts";
import { payloadTable } from "../telemetry/payload-rows.ts";
import { mappingOf } from "../telemetry/profile-match.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import { payloadTablePrefix, telemetryTable } from "../telemetry/table.ts";
import { type TagLayout, tagLayout } from "../telemetry/tags.ts";
import type { KnownSchema, KnownTable } from "./mapping-schema.ts";

/**
 * Payloads that are mapped alike: of one device profile, by one `[[profile]]` or none, into one table of one
 * database. Where no profile is named, also of one application.
 */
export interface MappingGroup extends Pick<MappingTrace, "profileName" | "profileId" | "mapping" | "table"> {
  /** Its name or id, where a proposal has nothing else to match by. */
  readonly application: string | undefined;
  readonly known: KnownTable;
  readonly devices: readonly SeenDevice[];
  /** The newest first, at least one. */
  readonly traces: readonly MappingTrace[];
}

export interface SeenDevice {
  readonly devEui: string;
  readonly deviceName: string;
  readonly profileName: string;
  /** Uplinks with an `object`. */
  payloads: number;
}

export interface SeenProfile {
  readonly profileName: string;
  readonly profileId: string;
  payloads: number;
}

/** Of the devices, and of the profiles, that are told where nothing was found. */
export const maxListed = 20;

interface GrowingGroup extends MappingGroup {
  readonly devices: SeenDevice[];
  readonly traces: MappingTrace[];
}

export class MappingSearch {
  /** Messages, and those of them that no event could be read from. */
  lookedAt = 0;
  undecodable = 0;
  /** Events of what was asked for, and uplinks among them that came without an `object`. */
  matched = 0;
  withoutObject = 0;

  readonly #name: string;
  readonly #isWanted: (device: DeviceInfo) => boolean;
  readonly #maxPayloads: number;
  readonly #settings: TelemetrySettings;
  readonly #schema: KnownSchema;
  readonly #layout: TagLayout;
  readonly #groups = new Map<string, GrowingGroup>();
  readonly #devices = new Map<string, SeenDevice>();
  readonly #profiles = new Map<string, SeenProfile>();
  readonly #deduplicationIds = new Set<string>();
  #payloads = 0;

  constructor(name: string, maxPayloads: number, settings: TelemetrySettings, schema: KnownSchema) {
    this.#name = name;
    this.#isWanted = matcher(name);
    this.#maxPayloads = maxPayloads;
    this.#settings = settings;
    this.#schema = schema;
    this.#layout = tagLayout(settings);
  }

  get isFull(): boolean {
    return this.#payloads >= this.#maxPayloads;
  }

  /** That of the newest payload first. */
  get groups(): readonly MappingGroup[] {
    return [...this.#groups.values()];
  }

  /** Everybody that was met on the way: those with something of the name in theirs, then the last heard. */
  get devices(): readonly SeenDevice[] {
    return this.#nearestFirst(this.#devices, (device) => [
      device.devEui,
      device.deviceName,
      device.profileName,
    ]);
  }

  get profiles(): readonly SeenProfile[] {
    return this.#nearestFirst(this.#profiles, (profile) => [profile.profileName, profile.profileId]);
  }

  #nearestFirst<Seen>(seen: ReadonlyMap<string, Seen>, namesOf: (item: Seen) => readonly string[]): Seen[] {
    const lower = this.#name.toLowerCase();
    const isNear = (item: Seen): boolean => namesOf(item).some((name) => name.toLowerCase().includes(lower));
    const items = [...seen.values()];
    return [...items.filter(isNear), ...items.filter((item) => !isNear(item))];
  }

  look(message: JournalMessage): void {
    this.lookedAt += 1;
    // Rows of our own: no payload.
    if (message.source === ownSource) return;
    const result = decode(message.topic, message.payload);
    if (!result.ok) {
      this.undecodable += 1;
      return;
    }
    const event = result.value;
    if (!isDeviceEvent(event)) return;
    const hasPayload = event.kind === "up" && event.object !== undefined;
    const isNew = hasPayload && !this.#isCopy(event);
    this.#remember(event.device, isNew);
    if (!this.#isWanted(event.device)) return;
    this.matched += 1;
    if (event.kind !== "up") return;
    if (!hasPayload) this.withoutObject += 1;
    else if (isNew) this.#add(event, message);
  }

  /** The same uplink may have come by two brokers, or twice. */
  #isCopy({ device, deduplicationId }: Uplink): boolean {
    if (deduplicationId === "") return false;
    const id = `${device.devEui} ${deduplicationId}`;
    if (this.#deduplicationIds.has(id)) return true;
    this.#deduplicationIds.add(id);
    return false;
  }

  #add(uplink: Uplink, message: JournalMessage): void {
    this.#payloads += 1;
    const { timeNs } = pointTime(
      uplink,
      receiptFor(message, uplink, () => undefined),
    );
    const { profiles } = this.#settings;
    const table = payloadTable(uplink, mappingOf(uplink.device, profiles));
    const known = this.#schema.tableOf(message.source, uplink.device, table);
    const trace = explainPayload(uplink, timeNs, this.#layout, profiles, known.columns);
    const { profileName, profileId, mapping, devEui, deviceName } = trace;
    const match = proposedMatch(trace);
    const application = match?.by === "application" ? match.name : undefined;
    const { database } = known;
    const id = JSON.stringify([profileId, profileName, mapping ?? 0, table, application ?? null, database]);
    const group = getOrMake(this.#groups, id, () => ({
      profileName,
      profileId,
      mapping,
      table,
      application,
      known,
      devices: [],
      traces: [],
    }));
    group.traces.push(trace);
    const seen = group.devices.find((device) => device.devEui === devEui);
    if (seen !== undefined) seen.payloads += 1;
    else group.devices.push({ devEui, deviceName, profileName, payloads: 1 });
  }

  /** `isPayload`: one that was not seen before. */
  #remember({ devEui, deviceName, profileName, profileId }: DeviceInfo, isPayload: boolean): void {
    const device = getOrMake(this.#devices, devEui, () => ({ devEui, deviceName, profileName, payloads: 0 }));
    const profile = getOrMake(this.#profiles, JSON.stringify([profileName, profileId]), () => ({
      profileName,
      profileId,
      payloads: 0,
    }));
    if (!isPayload) return;
    device.payloads += 1;
    profile.payloads += 1;
  }
}

/**
 * A device by its EUI, as ChirpStack or a label has it ("24-E1-24-…"), or by its name; a device profile by its
 * name, its id, or its name as tables have it ("em300_th"); an application by its name or id.
 */
function matcher(name: string): (device: DeviceInfo) => boolean {
  const lower = name.toLowerCase();
  const devEui = lower.replaceAll(/[-:]/g, "");
  return (device) =>
    device.devEui === devEui ||
    device.deviceName === name ||
    device.profileName.toLowerCase() === lower ||
    device.profileId.toLowerCase() === lower ||
    device.applicationName.toLowerCase() === lower ||
    device.applicationId.toLowerCase() === lower ||
    telemetryTable(device.profileName, device.profileId) === payloadTablePrefix + lower;
}

function getOrMake<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
