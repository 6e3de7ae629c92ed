/** Which `[[profile]]` a device's payloads are mapped by: the first that fits, or none. Pure. */
import type { DeviceInfo } from "../chirpstack/event.ts";
import type { ProfileMapping, ProfileMatch } from "./settings.ts";

/** What holds for a device that no `[[profile]]` fits, and for what a `[[profile]]` does not say. */
export const defaultMapping: ProfileMapping = {
  match: { profile: undefined, application: undefined, tags: new Map() },
  table: undefined,
  rename: new Map(),
  drop: new Set(),
  linear: new Map(),
  sentinels: new Map(),
  numericText: true,
  text: new Set(),
  valueUnit: true,
  // Milesight: half of its decoders give what a device stored while it was out of reach like this.
  explode: new Map([["history", "timestamp"]]),
};

export function mappingOf(device: DeviceInfo, profiles: readonly ProfileMapping[]): ProfileMapping {
  for (const mapping of profiles) if (fits(mapping.match, device)) return mapping;
  return defaultMapping;
}

function fits(match: ProfileMatch, device: DeviceInfo): boolean {
  const { profile, application } = match;
  if (profile !== undefined && profile !== device.profileName && profile !== device.profileId) return false;
  if (
    application !== undefined &&
    application !== device.applicationName &&
    application !== device.applicationId
  ) {
    return false;
  }
  for (const [key, value] of match.tags) if (device.tags.get(key) !== value) return false;
  return true;
}
