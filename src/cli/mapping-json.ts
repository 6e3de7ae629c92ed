/** What `flightline mapping show --json` says: the facts of the text, whole. */
import type { ProfileMatch } from "../telemetry/settings.ts";
import { summariseKeys, untoldOf } from "./mapping-keys.ts";
import { type MappingSearch, maxListed } from "./mapping-search.ts";
import type { DescribedGroup } from "./mapping-text.ts";

export function groupToJson({ group, match, unmet, proposal, notes }: DescribedGroup): object {
  const { profileName, profileId, application = null, mapping, table, known, devices, traces } = group;
  const times = traces.map(({ timeNs }) => Number(timeNs / 1_000_000n)).toSorted((a, b) => a - b);
  return {
    profile_name: profileName,
    profile_id: profileId,
    application,
    table,
    database: known.database,
    table_columns: known.columns?.size ?? null,
    columns_unknown_why: known.unknownWhy ?? null,
    mapping: mapping === undefined ? null : { number: mapping, match: matchToJson(match) },
    devices: devices.map(deviceToJson),
    payloads: traces.length,
    oldest: timeToJson(times[0]),
    newest: timeToJson(times.at(-1)),
    keys: summariseKeys(traces).map(({ path, inside = null, payloads, outcomes }) => ({
      path,
      inside,
      payloads,
      outcomes: outcomes.map(
        ({ column = null, type = null, columnBeside = null, written = null, ...told }) => ({
          outcome: told.outcome,
          fate: told.fate,
          column,
          type,
          column_beside: columnBeside,
          written_to: written,
          rules: told.rules,
          payloads: told.payloads,
          samples: told.samples,
        }),
      ),
    })),
    keys_untold: untoldOf(traces),
    unmet_rules: unmet.map(({ table: rule, name, hint = null }) => ({ rule, name, hint })),
    proposal,
    notes,
  };
}

/** Which devices and profiles there are instead. */
export function nothingToJson(search: MappingSearch): object {
  const { devices, profiles } = search;
  return {
    events: search.matched,
    uplinks_without_object: search.withoutObject,
    device_count: devices.length,
    devices: devices
      .slice(0, maxListed)
      .map((device) => ({ ...deviceToJson(device), profile_name: device.profileName })),
    profile_count: profiles.length,
    profiles: profiles.slice(0, maxListed).map(({ profileName, profileId, payloads }) => ({
      profile_name: profileName,
      profile_id: profileId,
      payloads,
    })),
  };
}

function matchToJson(match: ProfileMatch | undefined): object {
  return {
    profile: match?.profile ?? null,
    application: match?.application ?? null,
    tags: Object.fromEntries(match?.tags ?? []),
  };
}

function deviceToJson({ devEui, deviceName, payloads }: MappingSearch["devices"][number]): object {
  return { dev_eui: devEui, device_name: deviceName, payloads };
}

function timeToJson(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
