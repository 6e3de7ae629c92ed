import { Fault } from "../lib/fault.ts";
import { retryAfterMs } from "./retry-after.ts";
import { looksLikeHtml, serverWords } from "./server-words.ts";

/**
 * What became of a write: the only place that looks at a status code. Pure.
 *
 * Delivered means 204, which every write API of InfluxDB answers. A 200, empty or not, is a captive portal,
 * a proxy's health check or another program, and believing it would lose data; so would taking a proxy's
 * 400 page for InfluxDB's verdict on the lines.
 */

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly location: string | undefined;
  /** The beginning of the body, without our token should the server repeat it. */
  readonly body: string;
}

/** An answer, or why there was none. */
export type Attempt = { readonly answer: Answer } | { readonly error: Fault };

export interface WriteContext {
  readonly api: "v3" | "v2";
  /** `write_api = "auto"` and v2 not tried yet. */
  readonly mayUseV2: boolean;
  readonly nowMs: number;
}

export type WriteOutcome =
  /** The server has it on disk. */
  | { readonly kind: "delivered" }
  /** Nothing is wrong with the lines. `afterMs` is what the server asked for; undefined: back off. */
  | { readonly kind: "retry"; readonly afterMs: number | undefined; readonly fault: Fault }
  /**
   * Sending the same again at once is pointless. "endpoint": no write will pass until a person has
   * acted there. "batch": the server refused these lines, others may pass.
   */
  | { readonly kind: "hold"; readonly scope: "endpoint" | "batch"; readonly fault: Fault };

/** The server has no v3 write API: resend to v2 at once. The writer keeps this to itself. */
type Downgrade = { readonly kind: "use_v2" };

export function classify(attempt: Attempt, context: WriteContext): WriteOutcome | Downgrade {
  if ("error" in attempt) return { kind: "retry", afterMs: undefined, fault: attempt.error };
  const { answer } = attempt;
  const { status } = answer;
  if (status === 204) return { kind: "delivered" };
  if (status === 405 && context.mayUseV2) return { kind: "use_v2" };
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const afterMs = retryAfterMs(answer.retryAfter, context.nowMs);
    return { kind: "retry", afterMs, fault: busy(answer) };
  }
  // Not InfluxDB: the portal, the proxy or the installation in between may be gone in a minute.
  if (status < 300) return { kind: "retry", afterMs: undefined, fault: notInfluxDb(answer, "retry") };
  if (status === 400 && looksLikeHtml(answer.body)) return holdEndpoint(notInfluxDb(answer, "fatal"));
  const fault = endpointFault(answer, context.api);
  return fault === undefined ? { kind: "hold", scope: "batch", fault: refused(answer) } : holdEndpoint(fault);
}

function holdEndpoint(fault: Fault): WriteOutcome {
  return { kind: "hold", scope: "endpoint", fault };
}

function busy(answer: Answer): Fault {
  const { status } = answer;
  if (status === 502 || status === 504) return behindProxy(answer);
  const overloaded = status === 429 || status === 503;
  return new Fault({
    code: overloaded ? "write_overloaded" : "write_server_error",
    layer: "write",
    disposition: "retry",
    message: `InfluxDB ${overloaded ? "asks to slow down" : "failed on its side"} (${said(answer)})`,
    hint: "nothing is lost: the data waits in the journal; when it lasts, see InfluxDB's own log",
  });
}

/** InfluxDB has no such status. */
function behindProxy(answer: Answer): Fault {
  return new Fault({
    code: "write_server_error",
    layer: "write",
    disposition: "retry",
    message: `a proxy in front of InfluxDB does not get an answer from it (${said(answer)})`,
    hint: "nothing is lost: the data waits in the journal; when it lasts, see that InfluxDB runs, and the log of that proxy, load balancer or ingress",
  });
}

/** Undefined: it may be InfluxDB's own, or that of a proxy whose server is busy or away. */
export function strangersAnswer(answer: Answer): Fault | undefined {
  const { status } = answer;
  const isPage = (status === 200 || status === 400) && looksLikeHtml(answer.body);
  const isElsewhere = status === 511 || (status >= 300 && status < 400);
  return isPage || isElsewhere ? notInfluxDb(answer, "retry") : undefined;
}

function notInfluxDb(answer: Answer, disposition: "retry" | "fatal"): Fault {
  return new Fault({
    code: "write_answer_not_influxdb",
    layer: "write",
    disposition,
    message: `something else answered in place of InfluxDB (${said(answer)})`,
    hint: "see that influxdb.url points at InfluxDB itself: a login page, a proxy, a TLS port addressed with http:// and a gateway that wants a client certificate (influxdb.cert_file) answer like this",
  });
}

function refused(answer: Answer): Fault {
  return new Fault({
    code: "write_refused",
    layer: "write",
    disposition: "quarantine",
    message: `InfluxDB refused the lines (${said(answer)})`,
    hint:
      answer.status === 413
        ? "lower influxdb.batch_max_size, or raise --max-http-request-size on the server or the body limit of the proxy"
        : "the lines are kept; the reason names the line, column or limit that InfluxDB objects to",
  });
}

/** 401, whatever was asked. */
export function unknownToken(answer: Answer): Fault {
  return endpoint("write_unauthorized", `InfluxDB does not know the token (${said(answer)})`, tokenHint);
}

/** The fault of a status that says nothing about the lines, or undefined. */
function endpointFault(answer: Answer, api: "v3" | "v2"): Fault | undefined {
  const { status } = answer;
  if (status >= 300 && status < 400) {
    const to = answer.location === undefined ? "elsewhere" : `to ${shownUrl(answer.location)}`;
    return endpoint("write_redirected", `the write was redirected ${to} (HTTP ${status})`, redirectHint);
  }
  switch (status) {
    case 401:
      return unknownToken(answer);
    case 403:
      return endpoint("write_forbidden", `the token may not write here (${said(answer)})`, rightsHint);
    case 404:
      return endpoint(
        "write_not_found",
        `InfluxDB has no such database or write API (${said(answer)})`,
        databaseHint,
      );
    case 405:
      return endpoint(
        "write_api_missing",
        `the server has no ${api} write API (${said(answer)})`,
        api === "v3" ? apiHint : "see that influxdb.url points at InfluxDB 3",
      );
    default:
      return undefined;
  }
}

const tokenHint =
  "put a valid token into token_file (of [influxdb], or of the [[route]] that is named), without quotes around it";
const rightsHint = "give the token write permission on that database, or use another token";
const databaseHint =
  "create the database (influxdb3 create database NAME), or set retention beside its name and let Flightline do it; see also the path in influxdb.url";
const apiHint = 'set influxdb.write_api to "auto" or "v2"';
const redirectHint =
  "writes are not redirected, because the token would go along: put the final address into influxdb.url";

function endpoint(code: string, message: string, hint: string): Fault {
  return new Fault({ code, layer: "write", disposition: "fatal", message, hint });
}

function said(answer: Answer): string {
  const words = serverWords(answer.body);
  return words === "" ? `HTTP ${answer.status}` : `HTTP ${answer.status}: ${words}`;
}

/** Scheme, host and path: a query may carry somebody's credentials. */
function shownUrl(location: string): string {
  return serverWords(location.replace(/[?#].*$/s, "").replace(/\/\/[^/@]*@/, "//"));
}
