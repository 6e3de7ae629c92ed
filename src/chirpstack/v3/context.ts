import type { DroppedParts } from "../dropped.ts";
import type { JsonObject } from "../event.ts";

/** What is known of a message besides the message. */
export interface Context {
  /** The JSON that it was read from, which has parts besides the schema; `undefined`: it was protobuf. */
  readonly json: JsonObject | undefined;
  /**
   * The gateways state a time only with GPS. True of v3, unless `fake_rx_time` is set in the Gateway Bridge
   * (for packet forwarders without GPS): then the gateway's own clock passes for GPS's, because nothing in the
   * message tells.
   */
  readonly hasGpsTimes: boolean;
  readonly dropped: DroppedParts;
}

/** What is absent is zero in protobuf, and unknown in JSON: v3's `json` writes zeros, `json_v3` has fewer keys. */
export function said<Value>(value: Value | undefined, zero: Value, context: Context): Value | undefined {
  return value ?? (context.json === undefined ? zero : undefined);
}
