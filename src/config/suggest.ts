/** What somebody may have meant by a key that does not exist. Pure. */
import type { z } from "zod";
import { allKeyPaths, knownKeys, shapeAt } from "./schema-tree.ts";
import type { Path } from "./tree.ts";

/** A hint for the unknown key at the end of `path`, or undefined. */
export function suggestKey(schema: z.ZodType, path: Path): string | undefined {
  const key = path.at(-1);
  if (typeof key !== "string") return undefined;
  const siblings = knownKeys(schema, path.slice(0, -1));
  const nearest = nearestName(key, siblings);
  if (nearest !== undefined) return `did you mean ${nearest}?`;
  const homes = allKeyPaths(schema).filter((known) => known.at(-1) === key);
  if (homes.length > 0) return `${key} ${homeText(schema, homes)}`;
  return siblings.length === 0 ? undefined : `known here: ${siblings.join(", ")}`;
}

function homeText(schema: z.ZodType, homes: readonly Path[]): string {
  const tables = homes.filter((home) => home.length > 1).map(showTable);
  const belongs = tables.length === 0 ? [] : [`belongs in ${tables.join(" or ")}`];
  const atTop = homes.find((home) => home.length === 1);
  if (atTop === undefined) return belongs.join("");
  const shape = shapeAt(schema, atTop);
  const header = showTable([...atTop, ...(shape === "tables" ? [0] : []), ""]);
  const top = shape === "value" ? "belongs above all tables" : `is a table of its own: ${header}`;
  return [top, ...belongs].join(", or ");
}

/** The table that the last step of the path is a key of; one inside an array has no header of its own. */
function showTable(path: Path): string {
  const steps = path.slice(0, -1);
  const element = steps.indexOf(0);
  if (element === -1) return `[${steps.join(".")}]`;
  const inside = steps.slice(element + 1).join(".");
  return `${inside === "" ? "" : `${inside} of `}[[${steps.slice(0, element).join(".")}]]`;
}

/** The name that takes the fewest typing mistakes to become `text`, when they are few. */
export function nearestName(text: string, names: readonly string[]): string | undefined {
  const wanted = text.toLowerCase().replaceAll("-", "_");
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) >= bestDistance) continue;
    const distance = typingDistance(wanted, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours, each counts 1. */
function typingDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
