/**
 * The tags of our rows, in the order that a table keeps from its first write.
 *
 *     device tables     dev_eui, application_id, static tags, device tags, then gateway_id (uplink_rx) or
 *                       event (device_event)
 *     gateway tables    gateway_id, static tags, then event, relay_id (gateway_event)
 *     flightline_node   node, static tags
 *
 * Static tags are those that configuration states, device tags those of ChirpStack's that it names (of them,
 * those that the device has; a tag never has an empty value).
 *
 * A configured name that is taken (`time`, one of ours, an earlier one) gets a `_`. The names depend on
 * the settings alone, so that a column is a tag in every row or in none.
 */
import type { DeviceInfo } from "../chirpstack/event.ts";
import { freeName } from "./flatten.ts";
import { cleanName } from "./names.ts";
import { commonTags, tagsOfSomeTables } from "./own-columns.ts";
import type { Tag } from "./point.ts";
import type { DeviceTag, TagSettings } from "./settings.ts";

export interface TagLayout {
  readonly statics: readonly Tag[];
  readonly fromDevice: readonly DeviceTag[];
  /**
   * Every name that is no field's in any table: the common tags and the configured ones, present or not, and
   * `time`. Not `event`, `node` and `relay_id`: no row of a table that has them has such a field, and a
   * payload's key `event` keeps its name.
   */
  readonly reserved: ReadonlySet<string>;
}

/** Settings do not change, and a layout is wanted for each event. */
const layouts = new WeakMap<TagSettings, TagLayout>();

export function tagLayout(settings: TagSettings): TagLayout {
  let layout = layouts.get(settings);
  if (layout === undefined) {
    layout = makeLayout(settings);
    layouts.set(settings, layout);
  }
  return layout;
}

function makeLayout(settings: TagSettings): TagLayout {
  const reserved = new Set<string>(commonTags);
  const taken = new Set<string>([...commonTags, ...tagsOfSomeTables]);
  const claim = (wanted: string): string => {
    const name = freeName(cleanName(wanted), taken);
    taken.add(name);
    reserved.add(name);
    return name;
  };
  const statics = settings.tags.map((tag) => ({ name: claim(tag.name), value: tag.value }));
  const fromDevice = settings.deviceTags.map(({ key, name }) => ({ key, name: claim(name) }));
  return { statics, fromDevice, reserved };
}

export function deviceTags(
  device: Pick<DeviceInfo, "devEui" | "applicationId" | "tags">,
  layout: TagLayout,
): Tag[] {
  const tags: Tag[] = [{ name: "dev_eui", value: device.devEui }];
  if (device.applicationId !== "") tags.push({ name: "application_id", value: device.applicationId });
  for (const tag of layout.statics) if (tag.value !== "") tags.push(tag);
  for (const { key, name } of layout.fromDevice) {
    const value = device.tags.get(key);
    if (value !== undefined && value !== "") tags.push({ name, value });
  }
  return tags;
}

/** Of a gateway's rows, up to what its table adds. */
export function gatewayTags(gatewayId: string, layout: TagLayout): Tag[] {
  return [{ name: "gateway_id", value: gatewayId }, ...layout.statics.filter((tag) => tag.value !== "")];
}
