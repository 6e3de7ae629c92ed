/**
 * A `[[profile]]` block for what the last payloads of one device profile show: TOML, with a comment that says
 * why for each part, for a person to read and to paste. What would lose something, or rests on one value, is a
 * comment: for a person to decide. What holds already is not proposed again. Pure.
 */
import { findConversions, findIdentities, type Identity, keyHistories } from "./mapping-findings.ts";
import { findFlips, type Flip } from "./mapping-flips.ts";
import { findSentinels } from "./mapping-sentinels.ts";
import type { MappingTrace } from "./mapping-trace.ts";
import { defaultMapping } from "./profile-match.ts";
import type { ProfileMapping } from "./settings.ts";
import { isWritableName, tomlComment, tomlName, tomlText } from "./toml-text.ts";

/** What the devices of a `[[profile]]` have in common. */
export interface ProposedMatch {
  readonly by: "profile" | "application";
  readonly name: string;
}

/**
 * The profile, or the application where none is named, as with Milesight's gateways: by its name, or by its id
 * where a configuration cannot hold the name. `undefined` where neither is known.
 */
export function proposedMatch(trace: MappingTrace): ProposedMatch | undefined {
  const profile = [trace.profileName, trace.profileId].find(isWritableName);
  if (profile !== undefined) return { by: "profile", name: profile };
  const application = [trace.applicationName, trace.applicationId].find(isWritableName);
  return application === undefined ? undefined : { by: "application", name: application };
}

/**
 * "" when no line of it would be a rule, or there is nothing to match by. Traces that another match is for
 * than the first one's are passed over. `applied`: the `[[profile]]` that has mapped them; what it says already
 * is in the lists and tables that are proposed, so that they can take the place of its own.
 */
export function proposeMapping(traces: readonly MappingTrace[], applied = defaultMapping): string {
  const match = traces[0] === undefined ? undefined : proposedMatch(traces[0]);
  if (match === undefined) return "";
  const same = traces.filter((trace) => {
    const other = proposedMatch(trace);
    return other?.by === match.by && other.name === match.name;
  });
  const lines = ruleLines(same, applied);
  return lines.length === 0 ? "" : `${[...head(same, match), ...lines].join("\n")}\n`;
}

/** None when none of them would be a rule. */
function ruleLines(traces: readonly MappingTrace[], applied: ProfileMapping): string[] {
  const { identities, flips, conversions, sentinels } = findAll(traces);
  const renamed = new Map(conversions.map(({ path, column }) => [path, column]));

  const lines = [...dropLines(identities, applied), ...flipLines(flips, applied)];
  const renames = conversions.map(({ path, column, why }) => ({ name: path, value: tomlText(column), why }));
  addTable(lines, "rename", renames, oldEntries(applied.rename, tomlText));
  const units = conversions.map(({ column, conversion }) => ({ name: column, value: tomlText(conversion) }));
  if (units.length > 0 && applied.linear.size > 0) {
    lines.push("", tomlComment("where there is a [profile.unit] already, its lines belong here too:"));
  }
  addTable(lines, "unit", units, []);
  addTable(
    lines,
    "sentinel",
    sentinels.map(({ path, column, values, why, isDoubtful }) => {
      const name = renamed.get(path) ?? column;
      const all = new Set([...(applied.sentinels.get(name) ?? []), ...values]);
      return { name, value: tomlValues([...all]), why, isDoubtful };
    }),
    oldEntries(applied.sentinels, (values) => tomlValues([...values])),
  );
  addTable(lines, "explode", explodeEntries(traces), []);
  return lines.every((line) => line === "" || line.startsWith("#")) ? [] : lines;
}

const noMatch =
  "there would be rules, but nothing to match by: these payloads name neither a device profile nor an application. Let the network server send one of them along (on Milesight's gateways applicationName)";

/**
 * What a person may want to know where no rule is proposed: that it lacks a match, types that change, and what may
 * be sentinels. One line each. Nothing of keys that never change: they harm nobody. Empty where there is a
 * proposal, which says it all.
 */
export function mappingNotes(traces: readonly MappingTrace[]): string[] {
  if (proposeMapping(traces) !== "") return [];
  const isWithoutMatch = traces[0] !== undefined && proposedMatch(traces[0]) === undefined;
  const { flips, sentinels } = findAll(traces);
  return [
    ...(isWithoutMatch && ruleLines(traces, defaultMapping).length > 0 ? [noMatch] : []),
    ...flips.filter(({ advice }) => advice === "none").map(({ why }) => `${why}: ${flipWords.none}`),
    ...sentinels
      .filter(({ isDoubtful }) => isDoubtful)
      .map(
        ({ column, values, why }) => `[profile.sentinel] ${tomlName(column)} = ${tomlValues(values)}, ${why}`,
      ),
  ];
}

function findAll(traces: readonly MappingTrace[]) {
  const soonRows = explodeEntries(traces).map(({ name }) => name);
  // What is a column of its own now and will be none is not worth a rule.
  const keys = keyHistories(traces).filter(({ path }) => !soonRows.some((array) => isItemOf(path, array)));
  const identities = findIdentities(keys);
  const constant = new Set(identities.map(({ path }) => path));
  const others = keys.filter(({ path }) => !constant.has(path));
  const flips = findFlips(others);
  const texts = new Set(flips.filter(({ advice }) => advice === "text").map(({ path }) => path));
  const conversions = findConversions(others.filter(({ path }) => !texts.has(path)));
  return { identities, flips, conversions, sentinels: findSentinels(others, flips) };
}

function isItemOf(path: string, array: string): boolean {
  return path.startsWith(`${array}_`) && /^\d+(?:_|$)/.test(path.slice(array.length + 1));
}

function oldEntries<Value>(
  rules: ReadonlyMap<string, Value>,
  write: (value: Value) => string,
): readonly Entry[] {
  return [...rules].map(([name, value]) => ({ name, value: write(value), why: "as now" }));
}

function tomlValues(values: readonly (number | string)[]): string {
  return `[${values.map((value) => (typeof value === "number" ? value : tomlText(value))).join(", ")}]`;
}

function dropLines(identities: readonly Identity[], applied: ProfileMapping): string[] {
  if (identities.length === 0) return [];
  return [
    tomlComment("always the same so far. Without them rows are smaller, and none says so when one changes:"),
    "# drop = [",
    ...[...applied.drop].map((path) => `#   ${tomlText(path)}, # as now`),
    ...identities.map(({ path, why }) => `#   ${tomlText(path)}, ${tomlComment(why)}`),
    "# ]",
  ];
}

const flipWords = {
  text: "a text each time, so it can stay one",
  none: "a column has one type, the other values go to a column with a suffix",
} as const;

/** Those that no sentinel is about. */
function flipLines(flips: readonly Flip[], applied: ProfileMapping): string[] {
  const lines: string[] = [];
  const texts: string[] = [];
  for (const { column, advice, why } of flips) {
    if (advice === "text") texts.push(column);
    if (advice === "text" || advice === "none") lines.push(tomlComment(`${why}: ${flipWords[advice]}`));
  }
  if (texts.length > 0) lines.push(`text = [${[...applied.text, ...texts].map(tomlText).join(", ")}]`);
  return lines;
}

interface Entry {
  readonly name: string;
  readonly value: string;
  readonly why?: string;
  readonly isDoubtful?: boolean;
}

/** `old`: what holds already. It is repeated beside a rule, unless a rule is about the same name. */
function addTable(lines: string[], table: string, found: readonly Entry[], old: readonly Entry[]): void {
  if (found.length === 0) return;
  const rules = new Set(found.filter(({ isDoubtful }) => isDoubtful !== true).map(({ name }) => name));
  const entries = rules.size === 0 ? found : [...old.filter(({ name }) => !rules.has(name)), ...found];
  const isRule = entries.some(({ isDoubtful }) => isDoubtful !== true);
  lines.push("", isRule ? `[profile.${table}]` : `# [profile.${table}]`);
  for (const { name, value, why, isDoubtful } of entries) {
    if (why !== undefined) lines.push(tomlComment(why));
    const line = `${tomlName(name)} = ${value}`;
    lines.push(isDoubtful === true ? `# ${line}` : line);
  }
}

function head(traces: readonly MappingTrace[], { by, name }: ProposedMatch): string[] {
  const payloads = traces.length === 1 ? "one payload" : `the last ${traces.length} payloads`;
  const whose = by === "application" ? "the application " : "";
  const lines = [tomlComment(`from ${payloads} of ${whose}${JSON.stringify(name)}`)];
  if (by === "application") {
    lines.push(
      tomlComment(
        "no profile to match by: this is for all devices of the application that no [[profile]] above takes",
      ),
    );
  }
  const applied = traces.find((trace) => trace.mapping !== undefined)?.mapping;
  if (applied !== undefined) {
    lines.push(
      tomlComment(
        `[[profile]] number ${applied} of the configuration applies already: put these lines into it, each list and table in place of its own`,
      ),
    );
  }
  return [...lines, "[[profile]]", `match = { ${by} = ${tomlText(name)} }`];
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
