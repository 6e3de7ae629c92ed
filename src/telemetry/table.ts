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

/**
 * Tags, fields and time of a payload's table, and of one row. InfluxDB 3 Core allows 500; different uplinks of
 * a profile differ.
 */
export const maxPayloadColumns = 200;

export const payloadTablePrefix = "telemetry_";

/**
 * The table of a device profile's payloads: "EM300-TH (Ställe)" → "telemetry_em300_th_stalle". A name that says
 * nothing in letters of ASCII ("Датчик 1", "温度", none) would share its table with every other such profile:
 * there the first 8 digits of the profile's id (a UUID) stand for it, "telemetry_d1b6f7a4". Without such an
 * id it is the slug all the same.
 */
export function telemetryTable(profileName: string, profileId: string): string {
  const name = lettersOf(profileName);
  const isLost = name === "" || (!/[a-z]/.test(name) && /\p{L}/u.test(profileName.slice(0, maxInputLength)));
  const id = isLost ? uuidStart.exec(profileId)?.[0].toLowerCase() : undefined;
  return payloadTablePrefix + (id ?? slug(profileName));
}

const uuidStart = /^[0-9a-f]{8}/i;

/**
 * Lower case, accents off, everything else than letters and digits of ASCII to one `_`; "unknown" when
 * nothing is left.
 */
export function slug(text: string): string {
  return lettersOf(text) || "unknown";
}

/** Letters and digits, or "". */
function lettersOf(text: string): string {
  const letters = text
    .slice(0, maxInputLength)
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_");
  return letters.replace(/^_/, "").slice(0, maxSlugLength).replace(/_$/, "");
}
