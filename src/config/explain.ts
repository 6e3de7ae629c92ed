/**
 * What the schema has against a tree, as findings: one for each place, with what was found where it may be
 * shown. Secrets, and what came from the environment, are never shown. Pure.
 */
import type { z } from "zod";
import type { ProblemParams } from "../lib/schema.ts";
import { kindAt } from "./schema-tree.ts";
import { suggestKey } from "./suggest.ts";
import { isTable, pathKey, valueAt, type Finding, type Path, type Table } from "./tree.ts";

interface ExplainOptions {
  readonly schema: z.ZodType;
  /** As the files have it, before variables and files were put in. */
  readonly tree: Table;
  readonly isFromEnvironment: (path: Path) => boolean;
  /** Whether a required key that is not there is worth a word. */
  readonly complete: boolean;
}

type Issue = z.core.$ZodIssue;

export function explainIssues(issues: readonly Issue[], options: ExplainOptions): Finding[] {
  const byPlace = new Map<string, Finding>();
  for (const finding of issues.flatMap((issue) => explainIssue(issue, options))) {
    const key = pathKey(finding.path);
    if (!byPlace.has(key)) byPlace.set(key, finding);
  }
  return [...byPlace.values()];
}

function explainIssue(issue: Issue, options: ExplainOptions): Finding[] {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const keyPath = [...path, key];
      return { path: keyPath, message: "unknown key", hint: suggestKey(options.schema, keyPath) };
    });
  }
  if (issue.code === "custom") {
    const { hint, showFound }: ProblemParams = issue.params ?? {};
    const found = showFound === true ? foundAt(path, options) : "";
    return [{ path, message: `${issue.message}${found}`, hint }];
  }
  if (issue.code === "invalid_type" && valueAt(options.tree, path) === undefined) {
    return options.complete ? [{ path, message: `is missing: ${issue.message}` }] : [];
  }
  return [{ path, message: `${issue.message}${foundAt(path, options)}` }];
}

function foundAt(path: Path, { schema, tree, isFromEnvironment }: ExplainOptions): string {
  const value = valueAt(tree, path);
  const kind = kindAt(schema, path);
  if (kind === "secret" || kind === "secret_file") {
    return typeof value === "string" ? "" : `, found ${typeName(value)}`;
  }
  if (typeof value === "string" && isFromEnvironment(path)) {
    return `, found what ${quote(withoutCredentials(value))} stands for`;
  }
  return `, found ${showValue(value)}`;
}

function showValue(value: unknown): string {
  if (typeof value === "string") return quote(withoutCredentials(value));
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    return String(value);
  return typeName(value);
}

/** Somebody may have put a password before the @ of a URL, or a token after its question mark. */
function withoutCredentials(text: string): string {
  const at = text.lastIndexOf("@");
  const visible = at === -1 ? text : `…${text.slice(at)}`;
  const query = visible.indexOf("?");
  return query === -1 ? visible : `${visible.slice(0, query)}?…`;
}

const shownMaxChars = 60;

function quote(text: string): string {
  const short = text.length > shownMaxChars ? `${text.slice(0, shownMaxChars)}…` : text;
  return JSON.stringify(short);
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (isTable(value)) return "a table";
  if (typeof value === "object") return "a date";
  return typeof value === "boolean" ? "true or false" : `a ${typeof value}`;
}
