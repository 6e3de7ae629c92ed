/**
 * Reading the files of the configuration, and the files that it names. Everything that the disk refuses is a
 * problem in words; nothing of a secret's content is ever in one.
 */
import { accessSync, constants, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errorCode, errorText } from "../lib/fault.ts";
import type { Problem } from "./problem.ts";

const configMaxBytes = 1024 ** 2;
const secretMaxBytes = 64 * 1024;
const filesMax = 200;

export interface SourceFile {
  /** As named on the command line, or beside it. */
  readonly file: string;
  readonly text: string;
}

interface ReadFiles {
  readonly sources: readonly SourceFile[];
  readonly problems: readonly Problem[];
}

/** The main file, then `conf.d/*.toml` beside it in the order of their names. */
export function readSourceFiles(mainFile: string): ReadFiles {
  const sources: SourceFile[] = [];
  const problems: Problem[] = [];
  if (mainFile === "") {
    const hint = "name one: --config flightline.toml";
    return { sources, problems: [{ file: '""', key: "", message: "is not the name of a file", hint }] };
  }
  const main = readText(mainFile, configMaxBytes);
  if (!main.ok) {
    const missing = main.code === "ENOENT";
    const hint = missing ? { hint: `make one with: flightline config > ${mainFile}` } : {};
    return { sources, problems: [{ file: mainFile, key: "", message: main.message, ...hint }] };
  }
  sources.push({ file: mainFile, text: main.text });
  const directory = join(dirname(mainFile), "conf.d");
  const { names, problem } = tomlNames(directory);
  if (problem !== undefined) problems.push({ file: directory, key: "", message: problem });
  for (const name of names) {
    const file = join(directory, name);
    const read = readText(file, configMaxBytes);
    if (read.ok) sources.push({ file, text: read.text });
    else problems.push({ file, key: "", message: read.message });
  }
  return { sources, problems };
}

function tomlNames(directory: string): { readonly names: readonly string[]; readonly problem?: string } {
  try {
    const names = readdirSync(directory)
      .filter((name) => name.endsWith(".toml") && !name.startsWith("."))
      .sort((a, b) => (a < b ? -1 : 1));
    if (names.length <= filesMax) return { names };
    return { names: [], problem: `holds more than ${filesMax} files` };
  } catch (error) {
    return errorCode(error) === "ENOENT" ? { names: [] } : { names: [], problem: failureText(error) };
  }
}

type ReadText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string | undefined; readonly message: string };

function readText(file: string, maxBytes: number): ReadText {
  try {
    const stat = statSync(file);
    // Reading a pipe or a terminal could wait for ever.
    if (!stat.isFile()) return refused(`is not a file`);
    if (stat.size > maxBytes) return refused(`is larger than ${maxBytes} bytes`);
    const bytes = readFileSync(file);
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (errorCode(error) === "ERR_ENCODING_INVALID_ENCODED_DATA") return refused("is not UTF-8 text");
    return { ok: false, code: errorCode(error), message: failureText(error) };
  }
}

function refused(message: string): ReadText {
  return { ok: false, code: undefined, message };
}

/** What the disk said, in words; the path is known to the reader. */
function failureText(error: unknown): string {
  const code = errorCode(error);
  switch (code) {
    case "ENOENT":
      return "does not exist";
    case "EACCES":
    case "EPERM":
      return "may not be read by this user";
    case "ENOTDIR":
      return "does not exist: a part of its path is no directory";
    case "ERR_INVALID_ARG_VALUE":
      return "is not a path";
    default:
      return `cannot be read (${code ?? errorText(error)})`;
  }
}

/** A path in the configuration is relative to the file that names it. */
export function resolvePath(path: string, namedIn: string): string {
  return resolve(dirname(namedIn), path);
}

/** The content of a secret's file without its last line break. */
export function readSecretFile(file: string): ReadText {
  const read = readText(file, secretMaxBytes);
  if (!read.ok) return read;
  const text = read.text.replace(/\r?\n$/, "");
  return text === "" ? refused("is empty") : { ok: true, text };
}

/** Why a path can be no directory of ours, or undefined. One that is not there yet is made when it is used. */
export function whyNoDirectory(path: string): string | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined) return stat.isDirectory() ? undefined : "is not a directory";
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    return isLink ? "is a symbolic link to nothing" : undefined;
  } catch (error) {
    // Who checks may be allowed less than who runs: the rest is found out there.
    return errorCode(error) === "ENOTDIR" ? failureText(error) : undefined;
  }
}

/** Why a file cannot be used, or undefined. Its content is looked at where it is used. */
export function whyUnreadable(file: string): string | undefined {
  try {
    if (!statSync(file).isFile()) return "is not a file";
    accessSync(file, constants.R_OK);
    return undefined;
  } catch (error) {
    return failureText(error);
  }
}
