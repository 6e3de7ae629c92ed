/**
 * The tags of an uplink's points, in the order that a table keeps from its first write: `dev_eui`,
 * `application_id`, the configured static tags, the device tags that configuration names (those that the
 * device has; a tag never has an empty value). `uplink_rx` adds `gateway_id` at the end.
 *
 * A configured name that is taken (`time`, one of ours, an earlier one) gets a `_`. The names depend on
 * the settings alone, so that a column is a tag in every row or in none.
 */
import type { DeviceInfo } from "../chirpstack/event.ts";
import { freeName } from "./flatten.ts";
import { cleanName } from "./names.ts";
import type { Tag } from "./point.ts";

export interface TagSettings {
  /** On every point. */
  readonly tags: readonly Tag[];
  /** Keys of ChirpStack's device tags. */
  readonly deviceTags: readonly string[];
}

export interface TagLayout {
  readonly statics: readonly Tag[];
  readonly fromDevice: readonly { readonly key: string; readonly name: string }[];
  /** Every name that is no field's: all tags, present or not, and `time`. */
  readonly reserved: ReadonlySet<string>;
}

export function tagLayout(settings: TagSettings): TagLayout {
  const reserved = new Set(["time", "dev_eui", "application_id", "gateway_id"]);
  const claim = (wanted: string): string => {
    const name = freeName(cleanName(wanted), reserved);
    reserved.add(name);
    return name;
  };
  const statics = settings.tags.map((tag) => ({ name: claim(tag.name), value: tag.value }));
  const fromDevice = settings.deviceTags.map((key) => ({ key, name: claim(key) }));
  return { statics, fromDevice, reserved };
}

export function deviceTags(device: DeviceInfo, layout: TagLayout): Tag[] {
  const tags: Tag[] = [{ name: "dev_eui", value: device.devEui }];
  if (device.applicationId !== "") tags.push({ name: "application_id", value: device.applicationId });
  for (const tag of layout.statics) if (tag.value !== "") tags.push(tag);
  for (const { key, name } of layout.fromDevice) {
    const value = device.tags.get(key);
    if (value !== undefined && value !== "") tags.push({ name, value });
  }
  return tags;
}
