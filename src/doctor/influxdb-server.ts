/** Which server answers, from what it says to /ping. Pure. */
import { classify } from "../influx/outcome.ts";
import { looksLikeHtml } from "../influx/server-words.ts";
import { Fault, assert } from "../lib/fault.ts";
import { oneLine } from "../lib/one-line.ts";
import type { TimedAnswer } from "./influxdb-http.ts";
import { parseVersion, type Version } from "./influxdb-known-bugs.ts";

export interface Server {
  /** As a person calls it: "InfluxDB 3 Core", "InfluxDB (Cloud2)". */
  readonly product: string;
  readonly edition: "core" | "enterprise" | undefined;
  /** As it says it. */
  readonly versionText: string | undefined;
  readonly version: Version | undefined;
  readonly build: string | undefined;
}

export type Ping =
  | { readonly kind: "server"; readonly server: Server }
  /** It tells nothing before it has seen a token that it knows. */
  | { readonly kind: "needs_token"; readonly isInfluxdb3: boolean }
  /** Clustered and Cloud may let through no more than they must. */
  | { readonly kind: "untold"; readonly status: number }
  | { readonly kind: "other"; readonly fault: Fault };

export function readPing(answer: TimedAnswer): Ping {
  const { status, headers, body } = answer;
  const said = headerText(headers["x-influxdb-version"]) ?? member(body, "version");
  if (status >= 200 && status < 300 && said !== undefined && !looksLikeHtml(body)) {
    return ofVersion(said, headerText(headers["x-influxdb-build"]), answer);
  }
  // 400: it does not understand what stands in the token's place.
  if (status === 401 || status === 403 || (status === 400 && !looksLikeHtml(body))) {
    return { kind: "needs_token", isInfluxdb3: headers["cluster-uuid"] !== undefined };
  }
  // The page of a proxy that passes on other paths is no proof against them.
  if (status === 404 || status === 405) return { kind: "untold", status };
  const outcome = classify({ answer }, { api: "v3", mayUseV2: false, nowMs: 0 });
  // Nothing was written: what says "delivered" to a question is no InfluxDB.
  if (outcome.kind === "delivered") return { kind: "untold", status };
  assert("fault" in outcome, "the write API is not asked for");
  return { kind: "other", fault: outcome.fault };
}

function ofVersion(said: string, build: string | undefined, { body }: TimedAnswer): Ping {
  const version = parseVersion(said);
  const name = member(body, "product_name");
  const edition = ["core", "enterprise"].find(
    (each) => build?.toLowerCase() === each || endsWith(name, each),
  );
  if (version !== undefined && version[0] < 3 && edition === undefined && build?.toLowerCase() === "oss") {
    return { kind: "other", fault: tooOld(said) };
  }
  const product =
    name ?? (edition === undefined ? `InfluxDB${build === undefined ? "" : ` (${build})`}` : named(edition));
  const isKnown = edition === "core" || edition === "enterprise";
  return {
    kind: "server",
    server: { product, edition: isKnown ? edition : undefined, versionText: said, version, build },
  };
}

function named(edition: string): string {
  return `InfluxDB 3 ${edition === "core" ? "Core" : "Enterprise"}`;
}

function endsWith(name: string | undefined, edition: string): boolean {
  return name?.toLowerCase().endsWith(` ${edition}`) === true;
}

/** Of what somebody else says. */
const maxChars = 60;

function headerText(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? oneLine(value, maxChars) : undefined;
}

function member(body: string, key: "version" | "product_name"): string | undefined {
  const value = memberOf(jsonIn(body), key);
  return typeof value === "string" && value !== "" ? oneLine(value, maxChars) : undefined;
}

/** Undefined: it is none. */
export function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

/** Undefined: there is none, or nothing that could have one. */
export function memberOf(json: unknown, key: string): unknown {
  return typeof json === "object" && json !== null
    ? (json as Readonly<Record<string, unknown>>)[key]
    : undefined;
}

function tooOld(version: string): Fault {
  return new Fault({
    code: "influxdb_too_old",
    layer: "config",
    disposition: "fatal",
    message: `the server is InfluxDB ${version}, which has no SQL, no Arrow Flight and no v3 write API`,
    hint: "name an InfluxDB 3 in influxdb.url: Core, Enterprise, Clustered or one of InfluxData's Cloud",
  });
}
