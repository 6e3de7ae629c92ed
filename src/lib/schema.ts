/**
 * The words that the schemas of the configuration file are made of. Each room describes its own slice with
 * them (`<room>/config.ts`): input is what TOML says (snake_case, durations and sizes as text), output is
 * what the code uses (camelCase, units in the names, secrets wrapped).
 *
 * Messages say what is expected. What was found is added by the one who reports (`config/explain.ts`),
 * because only he knows whether it may be shown: a secret never is. Pure.
 */
import { z } from "zod";
import { Secret } from "./secret.ts";
import { parseDurationMs, parseSizeBytes } from "./units.ts";

/** What a string stands for, where whoever loads the file must know. */
export type KeyKind =
  /** Never shown. */
  | "secret"
  /** Names a file in the configuration; its content has taken its place when the schema sees it. */
  | "secret_file"
  /** A file that must be readable; made absolute when the schema sees it. */
  | "file"
  /** A directory that need not exist yet; made absolute when the schema sees it. */
  | "directory";

export const keyKinds = z.registry<{ kind: KeyKind }>();

/** Rides on zod's own issues of code "custom". */
export interface ProblemParams {
  readonly hint?: string | undefined;
  /** The message ends in an expectation: what was found may follow it. */
  readonly showFound?: boolean;
}

interface Complaint extends ProblemParams {
  readonly message: string;
  /** Below the value that the check is attached to. */
  readonly path?: readonly (string | number)[];
}

export function complain(context: z.RefinementCtx, complaint: Complaint): void {
  const { message, path, hint, showFound } = complaint;
  const params: ProblemParams = { hint, ...(showFound === undefined ? {} : { showFound }) };
  context.addIssue({ code: "custom", message, path: [...(path ?? [])], params: { ...params } });
}

/** Options of a check that looks at several keys: it runs although one of them is wrong already. */
export const evenIfBroken = {
  when: (payload: { readonly value: unknown }): boolean =>
    typeof payload.value === "object" && payload.value !== null && !Array.isArray(payload.value),
};

/** A table with exactly these keys. */
export function table<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? "unknown key" : "expected a table"),
  });
}

/** Drops the keys whose value is undefined: `{ a?: T }` instead of `{ a: T | undefined }`. */
type Defined<T> = {
  readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & {
  readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

export function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Defined<T>;
}

/** One line of text that matches `pattern`; `what` finishes the sentence "expected …". */
export function text(what: string, pattern: RegExp, description: string) {
  const error = `expected ${what}`;
  return z.string({ error }).regex(pattern, { error }).describe(description);
}

export function flag(fallback: boolean, description: string) {
  return z.boolean({ error: "expected true or false" }).default(fallback).describe(description);
}

interface WholeNumberOptions {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
  readonly description: string;
}

export function wholeNumber({ fallback, min, max, description }: WholeNumberOptions) {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).default(fallback).describe(description);
}

export function oneOf<const Values extends readonly [string, ...string[]]>(
  values: Values,
  fallback: NoInfer<Values[number]>,
  description: string,
) {
  const error = `expected one of ${values.map((value) => `"${value}"`).join(", ")}`;
  const schema: z.ZodType<Values[number], Values[number]> = z.literal(values, { error });
  return schema.default(() => fallback).describe(description);
}

const durationPattern = /^(?:\d+(?:\.\d+)?\s*(?:ms|s|m|min|h|d|w)\s*)+$/;
const sizePattern = /^(?:\d+(?:\.\d+)?\s*(?:B|kB|KB|KiB|MB|MiB|GB|GiB)\s*)+$/;

interface DurationOptions {
  /** All three as in the file: "250ms". */
  readonly fallback: string;
  readonly min: string;
  readonly max: string;
  readonly description: string;
}

/** "1h 30m" → milliseconds. */
export function durationMs({ fallback, min, max, description }: DurationOptions) {
  const expected = `expected a duration from ${min} to ${max}, such as "${fallback}"`;
  const minMs = parseDurationMs(min) ?? 0;
  const maxMs = parseDurationMs(max) ?? Number.POSITIVE_INFINITY;
  return z
    .string({ error: expected })
    .regex(durationPattern, { error: expected })
    .transform((value, context) => {
      const ms = parseDurationMs(value);
      if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
      complain(context, { message: expected, showFound: true });
      return z.NEVER;
    })
    .prefault(fallback)
    .describe(description);
}

interface SizeOptions {
  /** All three as in the file: "2GiB". */
  readonly min: string;
  readonly max: string;
  readonly example: string;
  readonly description: string;
}

/** "64KiB" → bytes. The caller adds `.prefault("…")` or `.optional()`. */
export function sizeBytes({ min, max, example, description }: SizeOptions) {
  const expected = `expected a size from ${min} to ${max}, such as "${example}"`;
  const minBytes = parseSizeBytes(min) ?? 0;
  const maxBytes = parseSizeBytes(max) ?? Number.POSITIVE_INFINITY;
  return z
    .string({ error: expected })
    .regex(sizePattern, { error: expected })
    .transform((value, context) => {
      const bytes = parseSizeBytes(value);
      if (bytes !== undefined && bytes >= minBytes && bytes <= maxBytes) return bytes;
      complain(context, { message: expected, showFound: true });
      return z.NEVER;
    })
    .describe(description);
}

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const controlCharacters = /[\u0000-\u001f\u007f-\u009f]/;

export function hasControlCharacters(value: string): boolean {
  return controlCharacters.test(value);
}

const secretMaxChars = 16_384;

function secretOf(kind: "secret" | "secret_file", description: string) {
  const schema = z
    .string({ error: "expected a string" })
    .min(1, { error: "is empty" })
    .max(secretMaxChars, { error: `is longer than ${secretMaxChars} characters` })
    .refine((value) => !hasControlCharacters(value), {
      error: "contains a control character, such as a line break in the middle (the value is not shown)",
    })
    .describe(description);
  keyKinds.add(schema, { kind });
  return schema.transform((value) => new Secret(value));
}

/** A password or token in the file itself, best by `${VAR}`. */
export function secret(description: string) {
  return secretOf("secret", description).optional();
}

/** A password or token in a file of its own. */
export function secretFile(description: string) {
  return secretOf("secret_file", description).optional();
}

function pathOf(kind: "file" | "directory", description: string) {
  const error = `expected the path of a ${kind}`;
  const schema = z.string({ error }).min(1, { error }).describe(description);
  keyKinds.add(schema, { kind });
  return schema;
}

/** A file that must be there and readable: a certificate, a key. */
export function filePath(description: string) {
  return pathOf("file", description).optional();
}

export function directoryPath(fallback: string, description: string) {
  return pathOf("directory", description).default(fallback);
}

interface UrlOptions {
  /** Without "://". */
  readonly schemes: readonly string[];
  readonly pathAllowed: boolean;
  /** Which keys hold what people put before the @. */
  readonly credentialKeys: string;
  readonly description: string;
}

/** A URL without credentials, query or fragment; trailing slashes are dropped. */
export function url(options: UrlOptions) {
  const begin = options.schemes.map((scheme) => `${scheme}://`);
  const expected = `expected a URL that begins with ${begin.join(" or ")} and names a host`;
  return z
    .string({ error: expected })
    .transform((value, context) => {
      const complaint = wrongUrl(value, options, expected);
      if (complaint === undefined) return value.replace(/\/+$/, "");
      complain(context, complaint);
      return z.NEVER;
    })
    .describe(options.description);
}

function wrongUrl(value: string, options: UrlOptions, expected: string): Complaint | undefined {
  const parsed = /[\s"<>\\^`{|}]/.test(value) || hasControlCharacters(value) ? null : URL.parse(value);
  if (parsed === null) return { message: expected, showFound: true };
  if (parsed.username !== "" || parsed.password !== "") {
    return {
      message: "must not contain a user name or password",
      hint: `put them into ${options.credentialKeys}: a URL ends up in logs`,
    };
  }
  if (value.includes("?") || value.includes("#")) return { message: "must not contain ? or #" };
  const scheme = parsed.protocol.slice(0, -1);
  const slashes = value.slice(parsed.protocol.length).startsWith("//");
  if (!options.schemes.includes(scheme) || !slashes || parsed.hostname === "" || parsed.port === "0") {
    return { message: expected, showFound: true };
  }
  if (!options.pathAllowed && parsed.pathname !== "" && parsed.pathname !== "/") {
    return { message: "expected a URL without a path", showFound: true };
  }
  return undefined;
}
