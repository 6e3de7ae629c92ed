/** Whether InfluxDB takes our token, from the cheapest request that wants one. The token itself is never shown. */
import { unknownToken } from "../influx/outcome.ts";
import { Fault } from "../lib/fault.ts";
import type { Secret } from "../lib/secret.ts";
import { isLoopback } from "../net/loopback.ts";
import { urlHost } from "../net/url-host.ts";
import { databasesIn, databasesPath } from "./influxdb-database.ts";
import type { InfluxHttp, TimedAnswer } from "./influxdb-http.ts";
import type { Lines } from "./lines.ts";
import type { Ping } from "./influxdb-server.ts";
import type { WriteProof } from "./influxdb-write-proof.ts";

export type TokenVerdict =
  | "accepted"
  /** Or not answered; told. Nothing that needs it has to be tried. */
  | "refused"
  /** Not told yet: this server has no such request. */
  | "unknown";

interface TokenContext {
  readonly url: string;
  readonly token: Secret | undefined;
  readonly ping: Ping;
  /** The answer to `databasesPath`. */
  readonly listed: TimedAnswer | Fault;
  readonly http: InfluxHttp;
}

/** The line `token`, unless the verdict is "unknown". */
export async function tellToken(
  lines: Lines,
  context: TokenContext,
  signal: AbortSignal,
): Promise<TokenVerdict> {
  const { token, listed, ping } = context;
  if (listed instanceof Fault) {
    lines.fault("token", listed);
    return "refused";
  }
  const { status } = listed;
  // 400: it does not understand what stands in the token's place.
  if (status === 401 || (status === 400 && ping.kind === "needs_token")) {
    lines.fault("token", refused(context, listed));
    return "refused";
  }
  if (status === 403) {
    lines.ok("token", "the server knows it; it may not list databases, so it is no admin token");
    return "accepted";
  }
  // A page for every path is no list.
  if (databasesIn(listed) === undefined) return "unknown";
  if (token === undefined) lines.ok("token", "none is configured, and the server asks for none");
  else await tellWhetherNeeded(lines, context, signal);
  return "accepted";
}

/** A server that asks for no token accepts every one. */
async function tellWhetherNeeded(
  lines: Lines,
  { http, url }: TokenContext,
  signal: AbortSignal,
): Promise<void> {
  const without = await http.ask({ method: "GET", path: databasesPath, withoutToken: true }, signal);
  if (without instanceof Fault || without.status !== 200) {
    lines.ok("token", "accepted, and a request without one is refused");
    return;
  }
  const text = "the server asks for none, so whether this one is right is not known";
  if (isLoopback(urlHost(url))) lines.ok("token", text);
  else {
    const hint =
      "whoever reaches this port can read, write and delete: start InfluxDB without --without-auth";
    lines.warning("token", text, hint);
  }
}

/** After "unknown": what the attempt to write says of it. */
export function tellTokenByWrite(lines: Lines, proof: WriteProof): void {
  if (proof.kind === "taken")
    lines.ok("token", "the write API accepts it; nothing else over HTTP asks for it");
  else if (proof.kind === "unclear")
    lines.skipped("token", "nothing here tells whether it is right: see what the write API answers");
  else if (proof.status === 401) lines.skipped("token", "the write API does not accept it: see there");
  else if (proof.status === 403)
    lines.ok("token", "the write API knows it, and does not let it write: see there");
  else lines.skipped("token", "nothing here tells whether it is right");
}

const foreign =
  "tokens of Core and Enterprise begin with apiv3_, and this one does not: it is cut off, or another product's";

function refused({ token, ping }: TokenContext, answer: TimedAnswer): Fault {
  const { code, layer, disposition, message, hint = "" } = unknownToken(answer);
  const text = token?.reveal() ?? "";
  if (text === "") {
    return new Fault({
      code,
      layer,
      disposition,
      message: "InfluxDB asks for a token, and none is configured",
      hint: "put one into a file and name it in token_file; influxdb3 create token --admin makes one",
    });
  }
  const isMonolith =
    answer.headers["cluster-uuid"] !== undefined ||
    (ping.kind === "server" && ping.server.edition !== undefined);
  const isForeign = isMonolith && !text.startsWith("apiv3_");
  return new Fault({ code, layer, disposition, message, hint: isForeign ? `${hint}; ${foreign}` : hint });
}
