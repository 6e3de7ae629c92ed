/**
 * Rows that Flightline makes itself (sums, the registry, its own health) travel as messages of the journal,
 * under a source that no broker can have: durable before they are sent, sent and settled like any uplink.
 * A row that is made again after a crash is the same row, and InfluxDB keeps one.
 */
import { assert } from "../lib/fault.ts";
import type { Field, Point, Tag } from "../telemetry/point.ts";
import type { RouteFacts } from "./route.ts";

/** `[[mqtt]]` tables may not be called so. */
export const ownSource = "flightline";
export const ownTopic = "flightline/rows";

export interface OwnMessage {
  readonly points: readonly Point[];
  /** Where the rows go: as an event with these facts would. */
  readonly facts: RouteFacts;
}

interface StoredPoint {
  readonly table: string;
  readonly tags: readonly Tag[];
  readonly fields: readonly Field[];
  /** An i64 does not fit a JSON number. */
  readonly timeNs: string;
}

interface StoredMessage {
  readonly version: 1;
  readonly points: readonly StoredPoint[];
  readonly facts: RouteFacts;
}

export function packOwn({ points, facts }: OwnMessage): Uint8Array {
  const stored: StoredMessage = {
    version: 1,
    points: points.map(({ table, tags, fields, timeNs }) => ({
      table,
      tags,
      fields,
      timeNs: String(timeNs),
    })),
    facts,
  };
  return Buffer.from(JSON.stringify(stored));
}

/** Only for messages of `ownSource`: we wrote them, so their shape is trusted. */
export function unpackOwn(payload: Uint8Array): OwnMessage {
  const stored = JSON.parse(Buffer.from(payload).toString("utf8")) as StoredMessage;
  assert(stored.version === 1, "rows of another version in the journal");
  return {
    points: stored.points.map(({ timeNs, ...point }) => ({ ...point, timeNs: BigInt(timeNs) })),
    facts: stored.facts,
  };
}
