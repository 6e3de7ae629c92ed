/**
 * A `[[profile]]` block for what the last payloads of one device profile show: TOML, with a comment that says
 * why for each part, for a person to read and to paste. What holds already is not proposed again. Pure.
 */
import {
  findConversions,
  findFlips,
  findIdentities,
  findSentinels,
  keyHistories,
} from "./mapping-findings.ts";
import type { MappingTrace } from "./mapping-trace.ts";
import { defaultMapping } from "./profile-match.ts";
import { isWritableName, tomlComment, tomlName, tomlText } from "./toml-text.ts";

/**
 * "" when there is nothing to propose, or no name to match by. Traces of other profiles than the first one's
 * are passed over.
 */
export function proposeMapping(traces: readonly MappingTrace[]): string {
  const profile = traces[0]?.profileName || traces[0]?.profileId || "";
  const same = traces.filter((trace) => (trace.profileName || trace.profileId) === profile);
  if (!isWritableName(profile)) return "";

  const keys = keyHistories(same);
  const identities = findIdentities(keys);
  const dropped = new Set(identities.map(({ path }) => path));
  const kept = keys.filter(({ path }) => !dropped.has(path));
  const conversions = findConversions(kept);
  const renamed = new Map(conversions.map(({ path, column }) => [path, column]));

  const lines: string[] = [];
  if (identities.length > 0) {
    lines.push(tomlComment("on the device's page in ChirpStack rather than in every row:"), "drop = [");
    for (const { path, why } of identities) lines.push(`  ${tomlText(path)}, ${tomlComment(why)}`);
    lines.push("]");
  }
  const texts: string[] = [];
  for (const { column, canStayText, why } of findFlips(kept)) {
    if (canStayText) texts.push(column);
    const what = canStayText
      ? "a text each time, so it can stay one"
      : "a column has one type, the other values go to a column with a suffix";
    lines.push(tomlComment(`${why}: ${what}`));
  }
  if (texts.length > 0) lines.push(`text = [${texts.map(tomlText).join(", ")}]`);

  addTable(
    lines,
    "rename",
    conversions.map(({ path, column, why }) => ({ name: path, value: tomlText(column), why })),
  );
  addTable(
    lines,
    "unit",
    conversions.map(({ column, conversion }) => ({ name: column, value: tomlText(conversion) })),
  );
  addTable(
    lines,
    "sentinel",
    findSentinels(kept).map(({ path, column, values, why }) => ({
      name: renamed.get(path) ?? column,
      value: `[${values.join(", ")}]`,
      why,
    })),
  );
  addTable(lines, "explode", explodeEntries(same));
  return lines.length === 0 ? "" : `${[...head(same, profile), ...lines].join("\n")}\n`;
}

interface Entry {
  readonly name: string;
  readonly value: string;
  readonly why?: string;
}

function addTable(lines: string[], table: string, entries: readonly Entry[]): void {
  if (entries.length === 0) return;
  lines.push("", `[profile.${table}]`);
  for (const { name, value, why } of entries) {
    if (why !== undefined) lines.push(tomlComment(why));
    lines.push(`${tomlName(name)} = ${value}`);
  }
}

function head(traces: readonly MappingTrace[], profile: string): string[] {
  const payloads = traces.length === 1 ? "one payload" : `the last ${traces.length} payloads`;
  const lines = [tomlComment(`from ${payloads} of ${JSON.stringify(profile)}`)];
  const applied = traces.find((trace) => trace.mapping !== undefined)?.mapping;
  if (applied !== undefined) {
    lines.push(
      tomlComment(
        `[[profile]] number ${applied} of the configuration applies already: put these lines into it`,
      ),
    );
  }
  return [...lines, "[[profile]]", `match = { profile = ${tomlText(profile)} }`];
}

/** A table `explode` replaces the one that holds without it: what is exploded already has to be in it too. */
function explodeEntries(traces: readonly MappingTrace[]): Entry[] {
  const found = new Map<string, Entry>();
  const exploded = new Map<string, Entry>();
  for (const { path, inside, fate, timeMember, values } of traces.flatMap(({ keys }) => keys)) {
    if (timeMember !== undefined && isWritableName(path) && isWritableName(timeMember)) {
      const count = Math.max(...values.map((items) => (Array.isArray(items) ? items.length : 0)));
      const why = `its items (${count} in one payload) have a time each: a row of its own time for every one`;
      found.set(path, { name: path, value: tomlText(timeMember), why });
    }
    if (fate === "time of the row" && inside !== undefined) {
      exploded.set(inside, { name: inside, value: tomlText(path), why: "as now" });
    }
  }
  if (found.size === 0) return [];
  if (traces.every((trace) => trace.mapping === undefined)) {
    for (const [path, member] of defaultMapping.explode) {
      exploded.set(path, { name: path, value: tomlText(member), why: "as without this table" });
    }
  }
  return [...new Map([...found, ...exploded]).values()];
}
