/**
 * The rules of the house, as functions from the files of src/ to what breaks them. architecture.test.ts
 * holds src/ against them, and shows on planted files that each of them can fail.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { codeBesideImports, importsOf, maskedCode } from "./source-scan.ts";
import type { Import } from "./source-scan.ts";

export interface SourceFile {
  /** From src/, with slashes: "journal/journal.ts". */
  readonly path: string;
  readonly lines: number;
  /** Code without comments and texts. */
  readonly code: string;
  /** Code that is neither an import nor a re-export. */
  readonly ownCode: string;
  readonly imports: readonly (Import & { readonly target: string | undefined })[];
}

interface Floor {
  readonly level: number;
  /** Rooms on the same floor that it may import. */
  readonly neighbours?: readonly string[];
  /** When given: it may import these and nothing else. */
  readonly only?: readonly string[];
  /** When given: nobody else may import it. */
  readonly usedBy?: readonly string[];
}

/** Higher imports lower. The rooms of later days stand here already: the house is planned as a whole. */
export const floors: Readonly<Record<string, Floor>> = {
  "main.ts": { level: 9, neighbours: ["cli"] },
  cli: { level: 9 },
  doctor: { level: 8 },
  "app.ts": { level: 7, neighbours: ["app"] },
  app: { level: 7 },
  config: { level: 6 },
  status: { level: 6 },
  pipeline: { level: 5 },
  rules: { level: 5 },
  summaries: { level: 5 },
  streams: { level: 4, neighbours: ["influx", "chirpstack-api"] },
  mqtt: { level: 4 },
  journal: { level: 4 },
  state: { level: 4 },
  influx: { level: 4 },
  "chirpstack-api": { level: 4 },
  systemd: { level: 4 },
  registry: { level: 3, neighbours: ["telemetry"] },
  supervision: { level: 3 },
  telemetry: { level: 3 },
  chirpstack: { level: 2 },
  net: { level: 1 },
  sqlite: { level: 1 },
  sandbox: { level: 1, only: ["lib", "proto"], usedBy: ["cli"] },
  lib: { level: 0, only: [] },
  proto: { level: 0, only: [], usedBy: ["chirpstack", "chirpstack-api", "influx", "sandbox"] },
};

/** Files of lib that wait or read the clock, for those who run things. Everything else in lib is pure. */
const impureInLib = new Set(["abort.ts", "clock.ts", "wakeup.ts"]);
const pureRooms = new Set(["lib", "chirpstack", "telemetry", "registry"]);
const pureNames = /(?:^|[/-])(?:policy|machine|outcome|intervals|backoff)\.ts$/;

/** Modules of Node.js that only compute. */
const pureModules = new Set(["node:buffer", "node:path", "node:util"]);
const impureCode: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\s*(?:\(\s*\)|(?![\w\s]*\())|(?<!new |[.\w])Date\s*\(/, "reads the clock"],
  [/\bMath\.random\b|\brandomUUID\b|\brandomBytes\b|\bgetRandomValues\b/, "uses randomness"],
  [/(?<![.\w])(?:setTimeout|setInterval|setImmediate)\b/, "starts a timer"],
  [/(?<![.\w])(?:process|console|performance)\./, "touches the process"],
  [/(?<![.\w])fetch\s*\(/, "does I/O"],
];

export const maxLines = 400;
export const maxFunctionLines = 100;

export function readSources(root: string): SourceFile[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll("\\", "/"),
    )
    .filter((path) => !path.startsWith("proto/"))
    .toSorted()
    .map((path) => sourceFile(path, readFileSync(join(root, path), "utf8")));
}

export function sourceFile(path: string, text: string): SourceFile {
  const imports = importsOf(text).map((found) => ({ ...found, target: resolve(path, found.specifier) }));
  const lines = text.trimEnd().split("\n").length;
  return { path, lines, code: maskedCode(text), ownCode: codeBesideImports(text), imports };
}

/** The file of src/ that a relative import names, or undefined for a package. */
function resolve(from: string, specifier: string | undefined): string | undefined {
  if (specifier === undefined || !specifier.startsWith(".")) return undefined;
  return posix.normalize(posix.join(dirname(from), specifier));
}

export function roomOf(path: string): string {
  return path.split("/")[0] ?? path;
}

/** Who may import whom. */
export function floorViolations(files: readonly SourceFile[]): string[] {
  const violations: string[] = [];
  for (const file of files) {
    const room = roomOf(file.path);
    if (!Object.hasOwn(floors, room)) violations.push(`${file.path}: there is no room "${room}" in the plan`);
    for (const { target, specifier, line } of file.imports) {
      const where = `${file.path}:${line}`;
      if (specifier === undefined) violations.push(`${where}: imports what is only known at run time`);
      if (target === undefined || roomOf(target) === room) continue;
      const complaint = target.startsWith("..") ? "is outside src" : floorComplaint(room, roomOf(target));
      if (complaint !== undefined) violations.push(`${where}: ${target} ${complaint}`);
    }
  }
  return violations;
}

function floorComplaint(from: string, to: string): string | undefined {
  const [upper, lower] = [floors[from], floors[to]];
  if (upper === undefined || lower === undefined) return "is in no room of the plan";
  if (lower.usedBy !== undefined && !lower.usedBy.includes(from)) return `is not for ${from}`;
  if (upper.only !== undefined)
    return upper.only.includes(to) ? undefined : `is none of what ${from} may import`;
  if (lower.level < upper.level || upper.neighbours?.includes(to) === true) return undefined;
  return `is not below ${from}`;
}

/** Every import counts, types too: a cycle of types is still two files that cannot be understood apart. */
export function cycles(files: readonly SourceFile[]): string[] {
  const graph = new Map(files.map((file) => [file.path, file.imports.map(({ target }) => target)]));
  const state = new Map<string, "open" | "done">();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === "open") found.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    if (state.has(path)) return;
    state.set(path, "open");
    for (const target of graph.get(path) ?? []) {
      if (target !== undefined && graph.has(target)) visit(target, [...trail, path]);
    }
    state.set(path, "done");
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

export function isPure(path: string): boolean {
  if (pureNames.test(path)) return true;
  return pureRooms.has(roomOf(path)) && !(roomOf(path) === "lib" && impureInLib.has(posix.basename(path)));
}

/** Pure code gets time and randomness as arguments, and reaches no code that takes them itself. */
export function purityViolations(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return files
    .filter(({ path }) => isPure(path))
    .flatMap((file) => {
      const reached = valueImports(file, byPath).filter((path) => !isPure(path));
      const through = reached.flatMap((path) => {
        const other = byPath.get(path);
        const found = other === undefined ? [] : impurities(other);
        return found.map((what) => `through ${path} ${what}`);
      });
      return [...impurities(file), ...through].map((what) => `${file.path}: is to be pure, but ${what}`);
    });
}

/** What only the streams process and single commands load: 30 MB that the daemon does without. */
const streamsPackages = new Set(["@grpc/grpc-js", "apache-arrow"]);

/** From `entry`, by imports of values: in the daemon, gRPC and Arrow are types at most. */
export function weightViolations(files: readonly SourceFile[], entry: string): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const from = byPath.get(entry);
  if (from === undefined) return [`${entry}: is not there`];
  return [entry, ...valueImports(from, byPath)].flatMap((path) =>
    (byPath.get(path)?.imports ?? [])
      .filter(({ typeOnly, specifier = "" }) => !typeOnly && streamsPackages.has(specifier))
      .map(({ specifier }) => `${path}: is a part of the daemon and imports ${specifier}`),
  );
}

/** Why `entry` is heavier than it need be: it reaches files that it has no use for. */
export function needless(files: readonly SourceFile[], entry: string, unused: readonly string[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const from = byPath.get(entry);
  const absent = [entry, ...unused].filter((path) => !byPath.has(path));
  if (from === undefined || absent.length > 0) return absent.map((path) => `${path}: is not there`);
  const reached = new Set(valueImports(from, byPath));
  return unused.filter((path) => reached.has(path)).map((path) => `${entry}: loads ${path}`);
}

function impurities({ code, imports }: SourceFile): string[] {
  const calls = impureCode.filter(([pattern]) => pattern.test(code)).map(([, what]) => what);
  const modules = imports
    .filter(({ typeOnly }) => !typeOnly)
    .map(({ specifier = "" }) => specifier)
    .filter((specifier) => specifier.startsWith("node:") && !pureModules.has(specifier));
  return [...calls, ...modules.map((specifier) => `imports ${specifier}`)];
}

/** What a file reaches by imports of values, near and far. */
function valueImports(from: SourceFile, byPath: ReadonlyMap<string, SourceFile>): string[] {
  const reached = new Set<string>();
  const queue = [from];
  for (const file of queue) {
    for (const { target, typeOnly } of file.imports) {
      if (typeOnly || target === undefined || reached.has(target)) continue;
      reached.add(target);
      const next = byPath.get(target);
      if (next !== undefined) queue.push(next);
    }
  }
  return [...reached];
}

export function exportViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, code, ownCode, imports }) => {
    const complaints: string[] = [];
    if (!path.endsWith(".ts")) complaints.push("is not TypeScript");
    if (/\bexport\s+default\b|\bas\s+default\b/.test(code)) complaints.push("has a default export");
    if (posix.basename(path) === "index.ts") complaints.push("is called index.ts");
    if (ownCode === "" && imports.length > 0) complaints.push("only passes on what others export");
    if (path !== "main.ts" && /\bprocess\s*\.\s*(?:exit|reallyExit|abort)\b(?!Code)/.test(code)) {
      complaints.push("ends the process: only main.ts may");
    }
    return complaints.map((complaint) => `${path}: ${complaint}`);
  });
}

export function sizeViolations(
  files: readonly SourceFile[],
  mostLines: number,
  mostInFunction: number,
): string[] {
  return files.flatMap((file) => {
    const long = longestFunction(file.code);
    return [
      ...(file.lines > mostLines ? [`${file.path}: ${file.lines} lines`] : []),
      ...(long.lines > mostInFunction ? [`${file.path}:${long.at}: a function of ${long.lines} lines`] : []),
    ];
  });
}

/** Near enough: a block is a function's when `=>` or a closed bracket (and a return type) stands before it. */
function longestFunction(code: string): { at: number; lines: number } {
  const open: { line: number; isFunction: boolean }[] = [];
  let longest = { at: 1, lines: 0 };
  let line = 1;
  let header = "";
  for (const char of code) {
    if (char === "\n") line += 1;
    if (char === "{") {
      open.push({ line, isFunction: startsFunction(header.trim()) });
    } else if (char === "}") {
      const block = open.pop();
      const lines = line - (block?.line ?? line) + 1;
      if (block?.isFunction === true && lines > longest.lines) longest = { at: block.line, lines };
    }
    header = char === "{" || char === "}" || char === ";" ? "" : header + char;
  }
  return longest;
}

function startsFunction(header: string): boolean {
  if (/^(?:else\s+)?(?:if|for|while|switch|catch|with)\b/.test(header)) return false;
  return header.endsWith("=>") || /\)\s*(?::[^=]*)?$/.test(header);
}
