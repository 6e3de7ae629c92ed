import { Fault } from "../lib/fault.ts";
import { limitIn } from "../net/server-says.ts";
import { readRefusal, type Refusal, type RefusedLine } from "./refusal.ts";
import { retryAfterMs } from "./retry-after.ts";
import { looksLikeHtml, serverWords } from "./server-words.ts";

/**
 * What became of a write: the only place that looks at a status code. Pure. docs/writing-outcomes.md has it
 * as a table.
 *
 * Delivered means 204, which every write API of InfluxDB answers. A 200, empty or not, is a captive portal,
 * a proxy's health check or another program, and believing it would lose data; so would taking a proxy's
 * 400 page for InfluxDB's verdict on the lines.
 *
 * Anything but "delivered" may have been written all the same: the answer was lost, or the server takes the
 * good lines of a refused write whatever we ask for (Clustered, Dedicated and Serverless know no
 * `accept_partial`). Sending them again changes nothing, because a point that is identical lands on itself.
 *
 * A line is taken for dead only when nothing else can be the reason. Core and Enterprise name a line in each v3
 * refusal that is about one, so that one without is about the request: a database that is deleted or whose
 * name is bad, a parameter, compression. Their v2 words all of that, and a failing disk, like a bad line: 400
 * "invalid". Such lines are refused without certainty, and whoever writes looks for evidence.
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
  /** The lines as they were sent. Absent: it was no write of lines. */
  readonly written?: string;
}

export type WriteOutcome =
  /** The server has it on disk. */
  | { readonly kind: "delivered" }
  /** Nothing is wrong with the lines. `afterMs` is what the server asked for; undefined: back off. */
  | { readonly kind: "retry"; readonly afterMs: number | undefined; readonly fault: Fault }
  /** No write will pass until a person has acted there: try slowly. */
  | { readonly kind: "hold"; readonly fault: Fault }
  /** Nothing is wrong with the lines but their number: halve them, down to one. */
  | { readonly kind: "too_large"; readonly fault: Fault }
  /**
   * The server does not want something in these lines. `lines`: those that it names, by number; empty where it
   * names none that can be believed. `isCertain`: it has read the lines and judged them; else its own
   * trouble can look like this, and a line is dead only on evidence: refused alone, twice, while others pass.
   */
  | {
      readonly kind: "refused";
      readonly fault: Fault;
      readonly lines: readonly RefusedLine[];
      readonly isCertain: boolean;
    };

/** The server has no v3 write API: resend to v2 at once. The writer keeps this to itself. */
type Downgrade = { readonly kind: "use_v2" };

export function classify(attempt: Attempt, context: WriteContext): WriteOutcome | Downgrade {
  if ("error" in attempt) return { kind: "retry", afterMs: undefined, fault: attempt.error };
  const { answer } = attempt;
  const { status } = answer;
  if (status === 204) return { kind: "delivered" };
  if (status === 405 && context.mayUseV2) return { kind: "use_v2" };
  if (status === 413) return { kind: "too_large", fault: tooLarge(answer) };
  if (isForeign(answer)) return { kind: "hold", fault: notInfluxDb(answer, "fatal") };
  if (passing.has(status) || status >= 500) {
    const afterMs = retryAfterMs(answer.retryAfter, context.nowMs);
    return { kind: "retry", afterMs, fault: status === 511 ? notInfluxDb(answer, "retry") : busy(answer) };
  }
  // Not InfluxDB: the portal, the proxy or the installation in between may be gone in a minute.
  if (status < 300) return { kind: "retry", afterMs: undefined, fault: notInfluxDb(answer, "retry") };
  const fault = endpointFault(answer, context.api);
  return fault === undefined ? judged(answer, context) : { kind: "hold", fault };
}

/** 409: two writes made the same table or database at once, and one of them found it there. */
const passing: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** What answers writes does not know POST or our HTTP (501, 505), or a page speaks where InfluxDB has no pages. */
function isForeign({ status, body }: Answer): boolean {
  return status === 501 || status === 505 || ((status === 400 || status === 422) && looksLikeHtml(body));
}

/** 400, 422, and 4xx that nobody explains: the lines, unless the answer speaks of something else. */
function judged(answer: Answer, { api, written = "" }: WriteContext): WriteOutcome {
  const { status, body } = answer;
  const refusal = readRefusal(body, written);
  const limits = new Set(status === 422 ? refusal.reasons.map(limitIn) : []);
  if (limits.has("databases")) return { kind: "hold", fault: databaseLimit(answer) };
  if (status === 400 && api === "v3" && refusal.about === "request")
    return { kind: "hold", fault: requestRefused(answer, requestHint) };
  const { lines } = refusal;
  const isCertain = lines.length > 0 || limits.has("schema");
  return { kind: "refused", fault: refused(answer, refusal, isCertain), lines, isCertain };
}

function busy(answer: Answer): Fault {
  const { status } = answer;
  if (status === 502 || status === 504 || (status >= 520 && status <= 530)) return behindProxy(answer);
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

function tooLarge(answer: Answer): Fault {
  return new Fault({
    code: "write_too_large",
    layer: "write",
    disposition: "retry",
    message: `a write is larger than the server takes (${said(answer)})`,
    hint: "it is sent again in halves; to spare that, lower influxdb.batch_max_size, or raise --max-http-request-size on the server or the body limit of the proxy",
  });
}

function refused(answer: Answer, { lines }: Refusal, isCertain: boolean): Fault {
  const what = lines.length === 0 ? "the lines" : lines.length === 1 ? "a line" : `${lines.length} lines`;
  return new Fault({
    code: "write_refused",
    layer: "write",
    disposition: "quarantine",
    message: `InfluxDB refused ${what} (${said(answer)})`,
    hint: isCertain
      ? "the others are sent again, and those are kept: flightline buffer list --dead; the reason names the column or limit that InfluxDB objects to"
      : "they are sent again in smaller parts; what is refused alone while other writes pass is kept: flightline buffer list --dead",
  });
}

function databaseLimit(answer: Answer): Fault {
  return endpoint(
    "write_database_limit",
    `the database is not there, and InfluxDB takes no further one (${said(answer)})`,
    "name a database that exists in influxdb.database (or in the [[route]]), or delete one that is not needed; Enterprise takes more",
  );
}

function requestRefused(answer: Answer, hint: string): Fault {
  return endpoint(
    "write_request_refused",
    `the request was refused, whatever its lines (${said(answer)})`,
    hint,
  );
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
    case 407:
      return endpoint(
        "proxy_unauthorized",
        `a proxy wants a user name and a password (${said(answer)})`,
        proxyHint,
      );
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
      return ofRequest.has(status) ? requestRefused(answer, betweenHint) : undefined;
  }
}

/**
 * Payment, resource gone, length, preconditions, address, content type, ranges, another server, protocol, headers, law:
 * none is about lines. 406 is not among them: firewalls answer it to contents.
 */
const ofRequest: ReadonlySet<number> = new Set([
  402, 410, 411, 412, 414, 415, 416, 417, 421, 426, 428, 431, 451,
]);

const proxyHint =
  "set proxy, proxy_username and proxy_password_file in [influxdb], or let the proxy pass requests to InfluxDB without asking";
const tokenHint =
  "put a valid token into token_file (of [influxdb], or of the [[route]] that is named), without quotes around it; over v2, one that may not write is refused like this, too";
const requestHint =
  "see that the database is not deleted and has a name of ASCII letters, digits, _ and - only, and that no proxy in between changes or empties requests; where one spoils compressed ones, gzip = false in [influxdb] helps";
const betweenHint =
  "InfluxDB does not answer writes like this: see what stands in between, a proxy, a gateway or a plan that has run out, and what it demands";
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
