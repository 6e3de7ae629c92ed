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

/** A measurement without fields. */
const noLine = "flightline_doctor_asks_whether_writes_are_taken";

export type WriteProof =
  /** The line was refused as one. */
  | { readonly kind: "taken"; readonly api: "v3" | "v2" }
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
  return mayUseV2 ? await proveApi("v2", http, config, signal) : proof;
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
  const outcome = classify({ answer }, { api, mayUseV2: false, nowMs: Date.now() });
  assert(outcome.kind !== "use_v2", "the caller looks for the other API");
  if (outcome.kind === "delivered") return { kind: "failed", api, status, fault: takesAnything() };
  if (outcome.kind === "hold" && outcome.scope === "batch") {
    if (status === 400) return { kind: "taken", api };
    if (status === 422) return { kind: "failed", api, status, fault: limitReached(database) };
  }
  return { kind: "failed", api, status, fault: outcome.fault };
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

export function limitReached(database: string): Fault {
  return new Fault({
    code: "database_limit_reached",
    layer: "write",
    disposition: "fatal",
    message: `the database ${database} does not exist, and InfluxDB has as many as it may have`,
    hint: "delete one (influxdb3 delete database NAME), or name one that exists in influxdb.database; Core has room for 5",
  });
}
