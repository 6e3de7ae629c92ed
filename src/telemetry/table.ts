/** Names of tables. */

/** Longer names add nothing that a person reads; InfluxDB itself allows far more. */
const maxSlugLength = 64;
/** Bounds the work on a hostile profile name. */
const maxInputLength = 256;

/** Those whose rows we lay out ourselves; also those of later days: no payload may be written into one. */
export const ownTables: readonly string[] = [
  "uplink",
  "uplink_rx",
  "device_event",
  "device_status",
  "gateway_stats",
  "gateway_event",
  "device",
  "alert",
  "summary_hour",
  "summary_day",
  "flightline_node",
];

export const payloadTablePrefix = "telemetry_";

/** The table of a device profile's payloads: "EM300-TH (Ställe)" → "telemetry_em300_th_stalle". */
export function telemetryTable(profileName: string): string {
  return payloadTablePrefix + slug(profileName);
}

/**
 * Lower case, accents off, everything else than letters and digits of ASCII to one `_`; "unknown" when
 * nothing is left. Profiles whose names give the same slug share a table.
 */
export function slug(text: string): string {
  const letters = text
    .slice(0, maxInputLength)
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_");
  const trimmed = letters.replace(/^_/, "").slice(0, maxSlugLength).replace(/_$/, "");
  return trimmed === "" ? "unknown" : trimmed;
}
