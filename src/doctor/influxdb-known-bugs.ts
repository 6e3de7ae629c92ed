/**
 * Faults of released InfluxDB 3 servers (Core and Enterprise) that reach what Flightline does, from InfluxData's
 * release notes. Older lines of releases are taken to have a fault unless the notes say that they were mended too. Pure.
 */

/** "3.11.2", of which a "-nightly" has all that the release has. */
export type Version = readonly [major: number, minor: number, patch: number];

/** From the first version, to before the second one. */
type Range = readonly [from: string, before: string];

export interface BugContext {
  readonly edition: "core" | "enterprise";
  readonly writeApi: "v3" | "v2" | undefined;
  /** A retention is configured here. */
  readonly wantsRetention: boolean;
}

export interface KnownBug {
  /** Stable, for scripts. */
  readonly id: string;
  readonly affected: readonly Range[];
  /** Absent: everybody. */
  readonly concerns?: (context: BugContext) => boolean;
  readonly text: string;
  readonly hint: string;
}

/** Of the newest release notes that were read. */
export const knownUpTo = "3.12.2";

export const knownBugs: readonly KnownBug[] = [
  {
    id: "acknowledged_writes_lost",
    affected: [
      ["3.0.0", "3.11.7"],
      ["3.12.0", "3.12.1"],
    ],
    text: "writes that were acknowledged can be lost when InfluxDB restarts after a forced snapshot (write buffer full, or --force-snapshot-max-age)",
    hint: "upgrade InfluxDB to 3.12.1, or to 3.11.7 if it is to stay with 3.11",
  },
  {
    id: "rows_missing_during_snapshot",
    affected: [["3.0.0", "3.11.2"]],
    text: "rows can be missing from queries while a snapshot is written, which looks as if devices were silent",
    hint: "upgrade InfluxDB to 3.11.2 or later; until then let rules on missing data wait longer than a snapshot takes",
  },
  {
    id: "partial_write_mixes_series",
    affected: [["3.0.0", "3.11.2"]],
    text: "with accept_partial=true, a refused line can leave its tags on the next one; Flightline writes all or nothing, most other clients do not",
    hint: "upgrade InfluxDB to 3.11.2 or later, or let others that write to this database set accept_partial=false",
  },
  {
    id: "overwrites_arbitrary",
    affected: [["3.0.0", "3.11.4"]],
    text: "of a point that is written again with other values, either version may be kept: a replay with another mapping may not show",
    hint: "upgrade InfluxDB to 3.11.4 or later before replaying with other mappings",
  },
  {
    id: "large_snapshot_collides",
    affected: [
      ["3.0.0", "3.9.11"],
      ["3.10.0", "3.10.5"],
    ],
    text: "parts of a large write buffer can be written to one and the same Parquet file, of which one part remains",
    hint: "upgrade InfluxDB to 3.10.5, 3.9.11 or later",
  },
  {
    id: "v2_refusals_answer_500",
    affected: [["3.0.0", "3.10.0"]],
    concerns: ({ writeApi }) => writeApi === "v2",
    text: "its v2 write API answers a refused line with HTTP 500, which looks passing: one bad line is sent again and again, and holds up its batch",
    hint: 'set influxdb.write_api to "auto", which uses v3 here, or upgrade InfluxDB to 3.10 or later',
  },
  {
    id: "wal_buffer_overflows",
    affected: [["3.0.0", "3.8.3"]],
    text: "the buffer of its write-ahead log can overflow",
    hint: "upgrade InfluxDB to 3.8.3 or later",
  },
  {
    id: "any_token_deletes_databases",
    affected: [["3.0.0", "3.8.4"]],
    concerns: ({ edition }) => edition === "enterprise",
    text: "a token for reading or writing can also delete the database, also the one on this machine",
    hint: "upgrade InfluxDB Enterprise to 3.8.4 or later",
  },
  {
    id: "deleted_database_takes_writes",
    affected: [["3.0.0", "3.5.0"]],
    text: "writes to a database that was deleted are acknowledged, and lost",
    hint: "upgrade InfluxDB to 3.5 or later",
  },
  {
    id: "no_retention",
    affected: [["3.0.0", "3.2.0"]],
    concerns: ({ wantsRetention }) => wantsRetention,
    text: "it knows no retention of databases: what is configured here has no effect, and rows stay for ever",
    hint: "upgrade InfluxDB to 3.2 or later, or remove retention",
  },
];

/** Undefined: not of that form. */
export function parseVersion(text: string): Version | undefined {
  const [, major, minor, patch] = /^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?![\d.])/.exec(text.trim()) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return undefined;
  return [Number(major), Number(minor), Number(patch)];
}

export function bugsOf(version: Version, context: BugContext): readonly KnownBug[] {
  return knownBugs.filter(
    ({ affected, concerns }) =>
      affected.some(([from, before]) => !isBefore(version, from) && isBefore(version, before)) &&
      (concerns === undefined || concerns(context)),
  );
}

function isBefore(version: Version, border: string): boolean {
  const other = parseVersion(border) ?? [0, 0, 0];
  for (const [index, part] of version.entries()) {
    const against = other[index] ?? 0;
    if (part !== against) return part < against;
  }
  return false;
}
