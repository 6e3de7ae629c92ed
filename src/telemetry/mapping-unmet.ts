/**
 * Rules of a `[[profile]]` that met nothing in some payloads: mostly a name that is written otherwise. Pure.
 *
 * `rename` and `drop` meet a key by its path, `explode` an array that became rows. `scale` and `unit` meet a
 * number, `sentinel` and `text` a column: that there was no probe without a reading is no mistake.
 */
import type { KeyTrace, MappingTrace } from "./mapping-trace.ts";
import { defaultMapping } from "./profile-match.ts";
import type { ProfileMapping } from "./settings.ts";

export interface UnmetRule {
  /** Of the configuration; `scale` and `unit` are one rule. */
  readonly table: "drop" | "rename" | "explode" | "scale or unit" | "sentinel" | "text";
  readonly name: string;
  /** What is meant, perhaps. */
  readonly hint: string | undefined;
}

const explodeFates: ReadonlySet<KeyTrace["fate"]> = new Set(["exploded", "no time", "no room"]);

/** None where keys are more than traces keep: a rule may be about one of the others. */
export function unmetRules(traces: readonly MappingTrace[], mapping: ProfileMapping): UnmetRule[] {
  if (traces.some(({ untraced }) => untraced > 0)) return [];
  const keys = traces.flatMap((trace) => trace.keys);
  const paths = new Set(keys.map(({ path }) => path));
  const columns = new Set(keys.flatMap(({ column }) => column ?? []));
  const scaled = columnsOf(keys, ({ rules }) => rules.includes("scaled"));
  const exploded = new Set(keys.filter(({ fate }) => explodeFates.has(fate)).map(({ path }) => path));
  const explode = [...mapping.explode]
    .filter(([path, member]) => defaultMapping.explode.get(path) !== member)
    .map(([path]) => path);

  const unmet = (
    table: UnmetRule["table"],
    names: Iterable<string>,
    met: ReadonlySet<string>,
    hintOf: (name: string) => string | undefined,
  ): UnmetRule[] =>
    [...names].filter((name) => !met.has(name)).map((name) => ({ table, name, hint: hintOf(name) }));
  const pathHint = (name: string): string | undefined => joinedHint(name, paths);
  const columnHint = (name: string): string | undefined => joinedHint(name, columns);
  return [
    ...unmet("drop", mapping.drop, paths, pathHint),
    ...unmet("rename", mapping.rename.keys(), paths, pathHint),
    ...unmet("explode", explode, exploded, pathHint),
    ...unmet("scale or unit", mapping.linear.keys(), scaled, (name) =>
      columns.has(name) ? "the column has no numbers" : columnHint(name),
    ),
    ...unmet("sentinel", mapping.sentinels.keys(), columns, columnHint),
    ...unmet("text", mapping.text, columns, columnHint),
  ];
}

function columnsOf(keys: readonly KeyTrace[], isMet: (key: KeyTrace) => boolean): ReadonlySet<string> {
  return new Set(keys.filter(isMet).flatMap(({ column }) => column ?? []));
}

/** `status.mounted` and `list[0]` are `status_mounted` and `list_0` here. */
function joinedHint(name: string, known: ReadonlySet<string>): string | undefined {
  const joined = name.replaceAll(/\]?[.[]/g, "_").replace(/\]$/, "");
  if (joined === name) return undefined;
  const isThere = known.has(joined) || [...known].some((other) => other.startsWith(`${joined}_`));
  return isThere ? `nested keys join with _: ${joined}` : undefined;
}
