import { Fault, assert } from "../lib/fault.ts";
import { classify, type Answer, type Attempt } from "./outcome.ts";
import { serverWords } from "./server-words.ts";

/**
 * Creating the database with its retention: POST /api/v3/configure/database. InfluxDB 3 Core and
 * Enterprise answer 200 with nothing in it, 409 when it exists, 401 or 403 when the token is no admin
 * token; Clustered and Cloud have no such path. Pure.
 */

export const databasePath = "/api/v3/configure/database";

/** The HTTP API takes no "mo" for a month, although the server's own command line does. */
export function databaseBody(database: string, retention: string): string {
  return JSON.stringify({ db: database, retention_period: retention.replaceAll(/mo(?!n)/g, "month") });
}

export type DatabaseOutcome =
  /** It is there, or no retention is configured and it is none of our business. */
  | { readonly kind: "ready" }
  /** Ask again before the first write: a write would create the database without retention. */
  | { readonly kind: "retry"; readonly afterMs: number | undefined; readonly fault: Fault }
  /** A person must create it. Writes can go on where it exists already. Without a fault they will say why. */
  | { readonly kind: "refused"; readonly fault: Fault | undefined };

export function classifyDatabase(attempt: Attempt, database: string, nowMs: number): DatabaseOutcome {
  if ("answer" in attempt && isThere(attempt.answer)) return { kind: "ready" };
  const outcome = classify(attempt, { api: "v3", mayUseV2: false, nowMs });
  if (outcome.kind === "delivered") return { kind: "ready" };
  if (outcome.kind === "retry") return outcome;
  assert("answer" in attempt, "without an answer there is nothing but retry");
  const { status, body } = attempt.answer;
  if (status === 401) return { kind: "refused", fault: undefined };
  const words = serverWords(body);
  const fault = new Fault({
    code: "database_not_created",
    layer: "write",
    disposition: "fatal",
    message: `InfluxDB did not create the database ${database} (HTTP ${status}${words === "" ? "" : `: ${words}`})`,
    hint: `only an admin token may, and only on Core and Enterprise: create it there (influxdb3 create database ${database} --retention-period …), or remove retention`,
  });
  return { kind: "refused", fault };
}

/** Created, or there already. A 200 that says something is somebody else's page. */
function isThere({ status, body }: Answer): boolean {
  return status === 409 || (status === 200 && body === "");
}
