/**
 * What codecs of real devices give, and the rows that it becomes. The shapes are those of the makers' decoders;
 * the values are invented. Expected numbers stand for float fields, texts for strings, flags for booleans.
 */
import type { JsonObject } from "../../../src/chirpstack/event.ts";

export type Columns = Readonly<Record<string, number | string | boolean>>;

export interface DevicePayload {
  readonly maker: string;
  readonly device: string;
  readonly object: JsonObject;
  /** Keys of a `[[profile]]` table beside `match`; absent: the defaults. */
  readonly profile?: Readonly<Record<string, unknown>>;
  /** Of the row at the uplink's time, beside ours; absent: there is no such row. */
  readonly columns?: Columns;
  /** Items without a usable time: counted in it, and named. */
  readonly untimed?: readonly string[];
  /** What of the uplink's own row is left out. */
  readonly leftOut?: readonly string[];
  /** The rows at times of their own, beside device_name and from_history. */
  readonly history?: readonly { readonly time: string; readonly columns: Columns }[];
}
