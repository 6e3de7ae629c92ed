/**
 * A `Fault` is a failure of the world: a refused connection, a malformed payload, a full disk. It is
 * thrown or returned by the code that knows what it means, and it carries what an operator needs.
 * Bugs are not faults: they are `BugError`s, raised by `assert`, which only the supervisor catches.
 */

/** What the code above may do about a fault. */
export type Disposition =
  /** Try the same thing again later. */
  | "retry"
  /** This one thing is lost, or given up; it is said and counted. */
  | "drop"
  /** Set the bytes aside in state.db, as far as its limit goes. */
  | "quarantine"
  /** The part that failed ends, and the process with it (exit code 1): the service manager starts it again. */
  | "restart"
  /** This cannot go on until a person has acted. Connections and writes are tried again all the same. */
  | "fatal";

/** Where it failed, lowest first: when several layers complain, the lowest one is the cause. */
export const layers = [
  "config",
  "host",
  "journal",
  "network",
  "broker",
  "gateway",
  "network_server",
  "device",
  "write",
  "flight",
  "rule",
  "notify",
] as const;

export type Layer = (typeof layers)[number];

export interface FaultOptions {
  /** Stable and searchable, snake_case; every code is explained in docs/errors.md. */
  readonly code: string;
  readonly layer: Layer;
  readonly disposition: Disposition;
  /**
   * One plain sentence, which stands behind other words in a log: it begins in lower case unless with a
   * name, and has no period at the end. Never contains a secret.
   */
  readonly message: string;
  /** What the operator can do or type, in the same style. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: string;
  readonly layer: Layer;
  readonly disposition: Disposition;
  readonly hint: string | undefined;

  constructor(options: FaultOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.layer = options.layer;
    this.disposition = options.disposition;
    this.hint = options.hint;
  }
}

/** A violated invariant of our own. Retry logic must not catch it. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** Throws a `BugError` when an invariant of our own does not hold. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new BugError(`BUG: ${what}`);
}

/** The `code` property that Node.js and SQLite put on their errors, or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The text of anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
