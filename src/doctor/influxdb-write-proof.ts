/**
 * Whether InfluxDB would take a write, without writing: it is sent one line that is no line protocol, which it must
 * refuse. It does so behind everything that can stand in the way of a good one: its path, the token and its right to
 * write to this database. With accept_partial=false, and in the v2 API always, a refused line ends the whole write
 * before the database's catalog is touched, so that not even a missing database is created (an empty write would
 * create it). What stays is a line in the log of the server.
 */
import type { InfluxConfig } from "../influx/config.ts";
import { classify } from "../influx/outcome.ts";
import { Fault, assert } from "../lib/fault.ts";
import type { InfluxHttp } from "./influxdb-http.ts";
import { jsonIn, memberOf } from "./influxdb-server.ts";

/** A measurement without fields. */
const noLine = "flightline_doctor_asks_whether_writes_are_taken";

export type WriteProof =
  /** The line was refused as one. */
  | { readonly kind: "taken"; readonly api: "v3" | "v2" }
  /** It was refused, and nothing in the answer says that it was for what it is. */
  | { readonly kind: "unclear"; readonly api: "v3" | "v2"; readonly status: number; readonly body: string }
  | {
      readonly kind: "failed";
      readonly api: "v3" | "v2";
      readonly status: number | undefined;
      readonly fault: Fault;
    };

type WriteConfig = Pick<InfluxConfig, "database" | "writeApi">;

/** Rejects with the signal's reason only. */
export async function proveWrite(
  http: InfluxHttp,
  config: WriteConfig,
  signal: AbortSignal,
): Promise<WriteProof> {
  const first = config.writeApi === "v2" ? "v2" : "v3";
  const proof = await proveApi(first, http, config, signal);
  const mayUseV2 = config.writeApi === "auto" && proof.kind === "failed" && proof.status === 405;
  if (mayUseV2) return await proveApi("v2", http, config, signal);
  if (first === "v3" || proof.kind !== "unclear" || !isInvalid(proof.body)) return proof;
  // Core's v2 API names no line, and has all behind it in common with its v3 API, which does.
  const inV3 = await proveApi("v3", http, config, signal);
  return inV3.kind === "taken" ? { kind: "taken", api: "v2" } : proof;
}

/** As the writer has them (influx/writer.ts). */
function pathOf(api: "v3" | "v2", database: string): string {
  const name = encodeURIComponent(database);
  return api === "v3"
    ? `/api/v3/write_lp?db=${name}&precision=nanosecond&accept_partial=false`
    : `/api/v2/write?bucket=${name}&precision=ns`;
}

async function proveApi(
  api: "v3" | "v2",
  http: InfluxHttp,
  { database }: WriteConfig,
  signal: AbortSignal,
): Promise<WriteProof> {
  const answer = await http.ask({ method: "POST", path: pathOf(api, database), body: noLine }, signal);
  if (answer instanceof Fault) return { kind: "failed", api, status: undefined, fault: answer };
  const { status } = answer;
  const context = { api, mayUseV2: false, nowMs: Date.now(), written: noLine };
  const outcome = classify({ answer }, context);
  assert(outcome.kind !== "use_v2", "the caller looks for the other API");
  switch (outcome.kind) {
    case "delivered":
      return { kind: "failed", api, status, fault: takesAnything() };
    case "refused": {
      // Of the whole there is one line: one that is named is this one. A firewall answers 400 too.
      const isNamed = outcome.lines.length > 0;
      return isNamed ? { kind: "taken", api } : { kind: "unclear", api, status, body: answer.body };
    }
    case "too_large":
      return { kind: "failed", api, status, fault: evenThisIsTooLarge(outcome.fault) };
    default:
      return { kind: "failed", api, status, fault: outcome.fault };
  }
}

/** In the form in which InfluxDB's v2 API refuses what it is sent. */
function isInvalid(body: string): boolean {
  const json = jsonIn(body);
  return memberOf(json, "code") === "invalid" && typeof memberOf(json, "message") === "string";
}

function takesAnything(): Fault {
  return new Fault({
    code: "write_takes_anything",
    layer: "write",
    disposition: "fatal",
    message:
      "what answers at influxdb.url acknowledges a line that is no line protocol, so it is not InfluxDB",
    hint: "see that influxdb.url points at InfluxDB itself: a proxy, a mock or a collector in between answers like this",
  });
}

/** The daemon would halve a write. */
function evenThisIsTooLarge({ code, layer, disposition, message }: Fault): Fault {
  return new Fault({
    code,
    layer,
    disposition,
    message: `${message}, and it has ${noLine.length} bytes`,
    hint: "raise the body limit of the proxy in front of InfluxDB (nginx: client_max_body_size), or --max-http-request-size of the server",
  });
}
