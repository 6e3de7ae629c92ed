/** What `flightline mapping show` found, for a person: 80 columns, but for the TOML, which is for the file. */
import type { ProfileMatch } from "../telemetry/settings.ts";
import type { UnmetRule } from "../telemetry/mapping-unmet.ts";
import { maxPayloadColumns } from "../telemetry/table.ts";
import { tomlText } from "../telemetry/toml-text.ts";
import { type KeySummary, type OutcomeSummary, summariseKeys, untoldOf } from "./mapping-keys.ts";
import { cut, fill, harmless, harmlessToml, widthOf, wrap } from "./mapping-layout.ts";
import { type MappingGroup, type MappingSearch, maxListed } from "./mapping-search.ts";

const screenWidth = 80;
/** A longer key has a line of its own. */
const maxKeyWidth = 22;
const maxSampleWidth = 16;
const maxOutcomeLines = 4;
const maxNoteLines = 4;
/** A codec that invents keys has no end of them; --json has more. */
const maxKeys = 300;
const maxDevicesShown = 3;
const maxUnmetShown = 20;

/** A group, and what there is to say of it. */
export interface DescribedGroup {
  readonly group: MappingGroup;
  /** Of the `[[profile]]` which applies. */
  readonly match: ProfileMatch | undefined;
  readonly unmet: readonly UnmetRule[];
  /** TOML, or "": then `notes` are what there is to know instead. */
  readonly proposal: string;
  readonly notes: readonly string[];
}

export function describeGroup({ group, match, unmet, proposal, notes }: DescribedGroup): string {
  const { traces, table, mapping } = group;
  const what = plural(traces.length, "payload");
  const lines = [
    cut(`${profileOf(group)}: the last ${what}, ${periodOf(group)}`, screenWidth),
    ...labelled("devices", devicesOf(group)),
    ...labelled("table", harmless(table)),
    ...labelled("columns", columnsOf(group)),
    ...labelled("mapping", mapping === undefined ? noMapping : describeMatch(mapping, match)),
    "",
    ...keyLines(summariseKeys(traces), traces.length, untoldOf(traces)),
    "",
    ...unmetLines(unmet),
  ];
  if (proposal === "") lines.push(...noteLines(notes));
  else lines.push("Proposal, for the configuration:", "", harmlessToml(proposal).trimEnd());
  return `${lines.join("\n")}\n`;
}

function noteLines(notes: readonly string[]): string[] {
  if (notes.length === 0) return ["Nothing to propose."];
  return ["No proposal, but to know:", ...notes.flatMap(indented)];
}

function unmetLines(unmet: readonly UnmetRule[]): string[] {
  if (unmet.length === 0) return [];
  const lines = unmet
    .slice(0, maxUnmetShown)
    .map(({ table, name, hint }) => `${table} ${tomlText(name)}${hint === undefined ? "" : `: ${hint}`}`);
  const more = unmet.length - lines.length;
  if (more > 0) lines.push(`… and ${more} more`);
  return ["Rules that met no key in these payloads:", ...lines.flatMap(indented), ""];
}

function indented(text: string): string[] {
  return wrap(harmless(text), screenWidth - 4, maxNoteLines).map(
    (line, index) => `${index === 0 ? "  " : "    "}${line}`,
  );
}

function columnsOf({ known: { columns, unknownWhy, database } }: MappingGroup): string {
  if (columns === undefined) return harmless(`not compared with those in InfluxDB: ${unknownWhy ?? ""}`);
  if (columns.size === 0) return harmless(`the table is not in ${database} yet, as far as is known here`);
  const isFull = columns.size >= maxPayloadColumns;
  return harmless(
    `${columns.size} of ${maxPayloadColumns} in ${database}, as last known here${isFull ? ": the table is full" : ""}`,
  );
}

const noMapping = "no [[profile]] matches: the defaults hold";

function profileOf({ profileName, profileId, application }: MappingGroup): string {
  const nameless = application === undefined ? "" : `application ${shownName(application)}`;
  return cut(shownName(profileName || profileId) || nameless || "(a device profile without a name)", 40);
}

function periodOf({ traces }: MappingGroup): string {
  const times = traces.map((trace) => Number(trace.timeNs / 1_000_000n)).toSorted((a, b) => a - b);
  const [first = 0] = times;
  const last = times.at(-1) ?? first;
  const from = minuteOf(first);
  const to = minuteOf(last);
  if (from === to) return `${to} UTC`;
  return `${from} to ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to} UTC`;
}

function minuteOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

function devicesOf({ devices }: MappingGroup): string {
  const shown = devices
    .slice(0, maxDevicesShown)
    .map(({ devEui, deviceName }) => `${devEui} ${shownName(deviceName)}`.trimEnd());
  const more = devices.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function describeMatch(mapping: number, match: ProfileMatch | undefined): string {
  const parts: string[] = [];
  if (match?.profile !== undefined) parts.push(`profile = ${tomlText(match.profile)}`);
  if (match?.application !== undefined) parts.push(`application = ${tomlText(match.application)}`);
  for (const [name, value] of match?.tags ?? []) parts.push(`tag ${name} = ${tomlText(value)}`);
  return harmless(`[[profile]] number ${mapping}, for ${parts.join(", ")}`);
}

function labelled(label: string, text: string): string[] {
  const indent = 11;
  return wrap(text, screenWidth - indent, 3).map(
    (line, index) => `  ${(index === 0 ? label : "").padEnd(indent - 2)}${line}`,
  );
}

interface Row {
  readonly key: string;
  readonly sample: string;
  readonly outcome: string;
}

/** `untold`: how many keys a payload has beside them. */
function keyLines(keys: readonly KeySummary[], total: number, untold: number): string[] {
  if (keys.length === 0) return ["  The payloads are empty."];
  const shown = keys.slice(0, maxKeys);
  const sections = [...new Set(shown.map((key) => key.inside))].map((inside) => ({
    inside,
    rows: shown.filter((key) => key.inside === inside).flatMap((key) => rowsOf(key, total)),
  }));
  const rows = [heading, ...sections.flatMap((section) => section.rows)];
  const keyWidth = columnWidth(rows, "key", maxKeyWidth);
  const sampleWidth = columnWidth(rows, "sample", maxSampleWidth);
  const lines = rowLines(heading, keyWidth, sampleWidth);
  for (const section of sections) {
    if (section.inside !== undefined) {
      lines.push("", cut(`  In each of the items of ${shownKey(section.inside)}:`, screenWidth));
    }
    for (const row of section.rows) lines.push(...rowLines(row, keyWidth, sampleWidth));
  }
  if (keys.length > shown.length) {
    lines.push(`  … and ${plural(keys.length - shown.length, "more key")}, which --json tells`);
  }
  if (untold > 0) {
    lines.push(`  … and ${plural(untold, "more key")} in one payload, which are not told: they are too many`);
  }
  return lines;
}

function columnWidth(rows: readonly Row[], cell: keyof Row, limit: number): number {
  return rows.reduce((widest, row) => Math.max(widest, Math.min(widthOf(row[cell]), limit)), 0);
}

const heading: Row = { key: "KEY", sample: "VALUES", outcome: "WHAT BECOMES OF IT" };

/** The first has the key's name, the others are other outcomes of it. */
function rowsOf(key: KeySummary, total: number): Row[] {
  return key.outcomes.map((outcome, index) => ({
    key: index === 0 ? shownKey(key.path) : "",
    sample: outcome.samples.map(shownSample).join(", "),
    outcome: describeOutcome(outcome, total),
  }));
}

const noBreak = "\u00a0";

function describeOutcome({ outcome, payloads }: OutcomeSummary, total: number): string {
  const words = harmless(outcome);
  return payloads === total ? words : `${words} (${payloads}${noBreak}of${noBreak}${total})`;
}

function shownKey(path: string): string {
  return shownName(path) || '""';
}

/** What begins or ends in spaces, or has nothing else, is in quotes; "" is nothing. */
function shownName(name: string): string {
  return harmless(name === name.trim() ? name : JSON.stringify(name));
}

/** Cut before it is made harmless, which takes six characters for one. */
function shownSample(value: unknown): string {
  return harmless(JSON.stringify(value).slice(0, screenWidth));
}

function rowLines({ key, sample, outcome }: Row, keyWidth: number, sampleWidth: number): string[] {
  const isLong = widthOf(key) > keyWidth;
  const outcomeWidth = screenWidth - 2 - keyWidth - 2 - sampleWidth - 2;
  const lines = wrap(outcome, outcomeWidth, maxOutcomeLines).map((line, index) => {
    const [left, middle] = index > 0 ? ["", ""] : [isLong ? "" : key, sample];
    return `  ${fill(left, keyWidth)}  ${fill(middle, sampleWidth)}  ${line.replaceAll(noBreak, " ")}`;
  });
  return isLong ? [`  ${cut(key, screenWidth - 2)}`, ...lines] : lines;
}

/** Why there is nothing to show, and what there is instead. `maxMessages`: how many were to be looked at. */
export function describeNothing(name: string, search: MappingSearch, maxMessages: number): string {
  const shown = cut(harmless(JSON.stringify(name)), 60);
  const looked = `the newest ${plural(search.lookedAt, "message")}`;
  // Fewer than were to be looked at are all that there are.
  const further = search.lookedAt < maxMessages ? [] : ["  --messages N looks further back"];
  if (search.lookedAt === 0) return "the journal is empty: nothing has been received yet\n";
  if (search.withoutObject > 0) {
    const uplinks = plural(search.withoutObject, "uplink");
    return (
      `${uplinks} of ${shown} among ${looked}, none with a decoded payload\n` +
      "  give the device profile a codec in ChirpStack: it makes the object that is mapped here\n"
    );
  }
  if (search.matched > 0) {
    return [`no uplink of ${shown} among ${looked}, only other events`, ...further, ""].join("\n");
  }
  const unread = search.undecodable === 0 ? "" : ` (${search.undecodable} of them cannot be decoded)`;
  const lines = [
    `no device, device profile or application is called ${shown} among ${looked}${unread}`,
    ...further,
  ];
  lines.push(
    ...list("devices", search.devices, 20, (device) => [
      device.devEui,
      device.deviceName,
      device.profileName,
      plural(device.payloads, "payload"),
    ]),
    ...list("device profiles", search.profiles, 56, (profile) => [
      profile.profileName || profile.profileId || "(without a name)",
      plural(profile.payloads, "payload"),
    ]),
  );
  return `${lines.join("\n")}\n`;
}

function list<Item>(
  what: string,
  items: readonly Item[],
  maxCellWidth: number,
  cellsOf: (item: Item) => readonly string[],
): string[] {
  if (items.length === 0) return ["", `There are no ${what} among them.`];
  const rows = items
    .slice(0, maxListed)
    .map((item) => cellsOf(item).map((cell) => cut(shownName(cell), maxCellWidth)));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  const lines = rows.map((row) =>
    `  ${row.map((cell, column) => fill(cell, widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
  const more = items.length - rows.length;
  return ["", `These ${what} are among them:`, ...lines, ...(more > 0 ? [`  … and ${more} more`] : [])];
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
