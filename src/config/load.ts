/**
 * From files to the frozen configuration, or to everything that is wrong with it:
 *
 *   files ─► parse ─► merge ─► variables ─► named files ─► schema ─► Config
 *
 * Each step reports what it finds and passes on what is left, so that one look shows all mistakes. `run`
 * and `check` use this same function.
 */
import { parse, TomlError } from "smol-toml";
import { deepFreeze } from "./freeze.ts";
import { configSchema, type Config } from "./config.ts";
import { expandVariables } from "./expand.ts";
import { explainIssues } from "./explain.ts";
import {
  readSecretFile,
  readSourceFiles,
  resolvePath,
  whyNoDirectory,
  whyUnreadable,
  type SourceFile,
} from "./files.ts";
import { locatorOf, type Locate } from "./locate.ts";
import { mergeFiles, type Merged, type Origin } from "./merge.ts";
import type { Problem } from "./problem.ts";
import { kindAt } from "./schema-tree.ts";
import { mapStrings, showPath, type Finding, type Path, type Table } from "./tree.ts";

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly files: readonly string[] }
  /** Never empty; in the order of the files and their lines. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

interface LoadOptions {
  /** The main file; `conf.d/*.toml` beside it is read too. */
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
}

export function loadConfig({ file, env }: LoadOptions): LoadResult {
  const read = readSourceFiles(file);
  const parsed = read.sources.map(parseFile);
  const problems = [...read.problems, ...parsed.flatMap(({ problem }) => problem ?? [])];
  if (read.sources.length === 0) return { ok: false, problems };

  const merged = mergeFiles(parsed.map(({ table }) => table));
  const expanded = expandVariables(merged.tree, env);
  const fileOf = (path: Path): string => read.sources[merged.originOf(path)?.file ?? 0]?.file ?? file;
  const resolved = readNamedFiles(expanded.tree, fileOf);
  const findings = [...merged.findings, ...expanded.findings, ...resolved.findings];
  const checked = configSchema.safeParse(resolved.tree);
  if (checked.success && findings.length === 0 && problems.length === 0) {
    return { ok: true, config: deepFreeze(checked.data), files: read.sources.map((source) => source.file) };
  }
  // What already has a word against it needs no second one.
  const explained = explainIssues(checked.error?.issues ?? [], {
    schema: configSchema,
    tree: merged.tree,
    isFromEnvironment: expanded.isFromEnvironment,
    complete: problems.length === 0,
  }).filter(({ path }) => !findings.some((earlier) => isAtOrBelow(path, earlier.path)));
  const located = locateFindings([...findings, ...explained], merged, read.sources);
  return { ok: false, problems: sortProblems([...problems, ...located], read.sources) };
}

interface ParsedFile {
  /** Empty when there is a problem. */
  readonly table: Table;
  readonly problem?: Problem;
}

function parseFile({ file, text }: SourceFile): ParsedFile {
  try {
    return { table: parse(text, { integersAsBigInt: "asNeeded" }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Its message goes on with the lines around the mistake, which may hold a password.
    const [sentence = ""] = error.message.split("\n");
    const { line, column } = error;
    return { table: parse(""), problem: { file, line, column, key: "", message: sentence } };
  }
}

/** Puts the content of a secret's file, or an absolute path, in the place of the path that was written. */
function readNamedFiles(
  tree: Table,
  fileOf: (path: Path) => string,
): { readonly tree: Table; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const copy = mapStrings(tree, (text, path) => {
    const kind = kindAt(configSchema, path);
    if (kind === undefined || kind === "secret" || text === "") return text;
    const target = resolvePath(text, fileOf(path));
    if (kind === "file" || kind === "directory") {
      const trouble = kind === "file" ? whyUnreadable(target) : whyNoDirectory(target);
      if (trouble !== undefined) findings.push({ path, message: `${target} ${trouble}` });
      return target;
    }
    const content = readSecretFile(target);
    if (content.ok) return content.text;
    findings.push({ path, message: `${target} ${content.message}` });
    return text;
  });
  return { tree: copy, findings };
}

function isAtOrBelow(path: Path, ancestor: Path): boolean {
  return path.length >= ancestor.length && ancestor.every((step, index) => path[index] === step);
}

function locateFindings(
  findings: readonly Finding[],
  merged: Merged,
  sources: readonly SourceFile[],
): Problem[] {
  const locators = new Map<SourceFile, Locate>();
  return findings.flatMap(({ path, message, hint }) => {
    const origin = nearestOrigin(path, merged);
    const source = sources[origin.file];
    if (source === undefined) return [];
    const locate = locators.get(source) ?? locatorOf(source.text);
    locators.set(source, locate);
    const about = { key: showPath(path), message, ...(hint === undefined ? {} : { hint }) };
    return [{ file: source.file, ...locate(origin.path), ...about }];
  });
}

/** A key that is missing has no origin: the table that should have it has one. */
function nearestOrigin(path: Path, merged: Merged): Origin {
  for (let length = path.length; length > 0; length -= 1) {
    const origin = merged.originOf(path.slice(0, length));
    if (origin !== undefined) return origin;
  }
  return { file: 0, path: [] };
}

function sortProblems(problems: readonly Problem[], sources: readonly SourceFile[]): Problem[] {
  const order = new Map(sources.map(({ file }, index) => [file, index]));
  const rank = (problem: Problem): number => order.get(problem.file) ?? sources.length;
  return problems.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      a.file.localeCompare(b.file, "en") ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0),
  );
}
