/** What configuration says about rows, compiled: `[tags]`, `[telemetry]`, `[[profile]]`. */
import type { Tag } from "./point.ts";

export interface TagSettings {
  /** On every point. */
  readonly tags: readonly Tag[];
  /** ChirpStack's device tags that become tags of the points, in this order. */
  readonly deviceTags: readonly DeviceTag[];
}

export interface DeviceTag {
  /** What ChirpStack calls it: any text. */
  readonly key: string;
  readonly name: string;
}

export interface TelemetrySettings extends TagSettings {
  /** In the order of the file: the first one that matches a device is its mapping. */
  readonly profiles: readonly ProfileMapping[];
}

/**
 * One `[[profile]]`: what becomes of a device's payload. `rename` and `drop` speak of keys as the payload
 * has them (flattened: `status_mounted`); everything else speaks of columns, after renaming.
 */
export interface ProfileMapping {
  readonly match: ProfileMatch;
  /** The table, whole; undefined: `telemetry_<slug of the device profile's name>`. */
  readonly table: string | undefined;
  readonly rename: ReadonlyMap<string, string>;
  readonly drop: ReadonlySet<string>;
  /** `scale` and `unit` in one: column → value · factor + offset. */
  readonly linear: ReadonlyMap<string, Linear>;
  /** Column → values that mean "no measurement". */
  readonly sentinels: ReadonlyMap<string, ReadonlySet<number | string>>;
  /** "21.50" becomes a number. */
  readonly numericText: boolean;
  /** Columns whose texts stay texts, whatever they look like. */
  readonly text: ReadonlySet<string>;
  /** `{value, unit}` becomes the value. */
  readonly valueUnit: boolean;
  /** Key of an array of objects → the member of each that holds its time: a row of its own time for each. */
  readonly explode: ReadonlyMap<string, string>;
}

/** All that is given must fit; nothing given fits every device. */
export interface ProfileMatch {
  /** Name or id of the device profile. */
  readonly profile: string | undefined;
  /** Name or id of the application. */
  readonly application: string | undefined;
  /** Tags of the device. */
  readonly tags: ReadonlyMap<string, string>;
}

export interface Linear {
  readonly factor: number;
  readonly offset: number;
}
