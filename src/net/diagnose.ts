import { Fault, errorCode, errorText, type Layer } from "../lib/fault.ts";
import { oneLine } from "../lib/one-line.ts";
import { causes, opensslCauses, type Cause, type PeerWords } from "./causes.ts";
import type { ProxyConfig } from "./config.ts";
import { urlHost, urlHostAndPort } from "./url-host.ts";

/**
 * What went wrong on the way to a peer, from the error that Node.js gave: its code decides; its text is
 * looked at here and nowhere else, and only for what has no code (OpenSSL's `0A00xxxx` number, which is
 * the same in every version while the words around it are not).
 *
 * The fault never carries the original error: those of the TLS and HTTP parsers drag along whole
 * certificates and packets, which would end in the log.
 */

export type Target = "broker" | "write" | "flight";

export interface Peer {
  readonly target: Target;
  /** As configured. A user name or password in it is not repeated. */
  readonly url: string;
  readonly proxy?: ProxyConfig | undefined;
}

interface TargetWords {
  readonly layer: Layer;
  readonly noun: string;
  readonly table: string;
  readonly urlSetting: string;
}

const targets: Readonly<Record<Target, TargetWords>> = {
  broker: { layer: "broker", noun: "the MQTT broker", table: "mqtt", urlSetting: "mqtt.url" },
  write: { layer: "write", noun: "InfluxDB", table: "influxdb", urlSetting: "influxdb.url" },
  flight: {
    layer: "flight",
    noun: "InfluxDB",
    table: "influxdb",
    urlSetting: "influxdb.flight_url (or influxdb.url)",
  },
};

/** Any error of a connection attempt, a TLS handshake or a socket in use → a `Fault` that may be retried. */
export function diagnose(error: unknown, peer: Peer): Fault {
  if (error instanceof Fault) return error;
  return faultOfCause(causeOfMarks(marksOf(error), peerWords(peer)), peer, detail(error));
}

/** Faults that look the same when the proxy has said that there is a tunnel, and there is none. */
const ofEmptyTunnels: ReadonlySet<string> = new Set([
  "broker_silent",
  "connect_timeout",
  "connection_closed",
  "connection_failed",
  "flight_not_grpc",
  "flight_timeout",
  "influxdb_no_answer",
  "schema_timeout",
  "server_not_http",
  "server_not_http2",
  "tls_failed",
  "tls_handshake_cut",
  "tls_server_is_plaintext",
  "write_timeout",
]);

/** A fault of what is behind a proxy: it may be the proxy's, and then its hint says so. */
export function behindProxy(fault: Fault, proxy: ProxyConfig | undefined): Fault {
  if (proxy === undefined || !ofEmptyTunnels.has(fault.code)) return fault;
  const { code, layer, disposition, message, hint, cause } = fault;
  const own = `the proxy ${new URL(proxy.url).origin} may say that it has connected and pass nothing on: see ${proxy.setting}`;
  const both = hint === undefined ? own : `${hint}; or ${own}`;
  return new Fault({ code, layer, disposition, message, hint: both, cause });
}

/** For who knows the cause already. */
export function faultOfCause(cause: Cause, peer: Peer, detail: string): Fault {
  const words = peerWords(peer);
  if (cause === causes.wrongName && /\bURI:/.test(detail) && !/\b(?:DNS|IP Address):/.test(detail)) {
    return faultOfCause(causes.onlyOtherNames, peer, detail);
  }
  return new Fault({
    code: cause.code,
    layer: cause.layer === "peer" ? targets[peer.target].layer : cause.layer,
    disposition: "retry",
    message: cause.sentence(words, detail),
    hint: cause.hint(words),
  });
}

export function peerWords({ target, url }: Peer): PeerWords {
  const { noun, table, urlSetting } = targets[target];
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const scheme = parsed?.protocol.slice(0, -1) ?? "";
  const plainScheme = scheme.startsWith("ws") ? "ws" : table === "mqtt" ? "mqtt" : "http";
  return {
    name: parsed === undefined ? noun : `${noun} at ${scheme}://${urlHostAndPort(url)}`,
    urlSetting,
    table,
    scheme,
    plainScheme,
    tlsScheme: `${plainScheme}s`,
    usesTls: /^(?:https|mqtts|ssl|wss)$/.test(scheme),
    host: parsed === undefined ? "the configured host" : urlHost(url),
  };
}

/** All of an error that decides what it means: plain data. */
export interface ErrorMarks {
  /** Of Node.js. */
  readonly code: string | undefined;
  /** "0A00010B" */
  readonly openssl: string | undefined;
  readonly isCutHandshake: boolean;
  readonly startsLikeTls: boolean;
}

export function marksOf(error: unknown): ErrorMarks {
  return {
    code: firstCode(error),
    openssl: opensslNumber(error),
    isCutHandshake: brokenInHandshake(error),
    startsLikeTls: startsLikeTls(error),
  };
}

export function causeOfMarks(marks: ErrorMarks, words: PeerWords): Cause {
  const { code, openssl } = marks;
  if (openssl !== undefined) return opensslCauses[openssl] ?? causes.tlsFailed;
  if (code === undefined) return causes.unknown;
  if (code === "ECONNRESET" && marks.isCutHandshake) return causes.closedInHandshake;
  if (code === "ECONNRESET" && !words.usesTls) return causes.closedPlain;
  if (code.startsWith("HPE_")) return marks.startsLikeTls ? causes.peerSpeaksTls : causes.notHttp;
  if (Object.hasOwn(causes.byCode, code)) return causes.byCode[code] ?? causes.unknown;
  return code.startsWith("ERR_SSL_") || code === "EPROTO" ? causes.tlsFailed : causes.unknown;
}

/** The error's own code, or that of the first address tried when there were several (Node's happy eyeballs). */
function firstCode(error: unknown): string | undefined {
  const own = errorCode(error);
  if (own !== undefined) return own;
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  return error instanceof Error ? errorCode(error.cause) : undefined;
}

/** "0A00010B" out of "…:error:0A00010B:SSL routines:…"; undefined when the error is not OpenSSL's. */
function opensslNumber(error: unknown): string | undefined {
  return /\berror:(0A[0-9A-F]{6}):/.exec(errorText(error))?.[1];
}

/** Node.js gives this ECONNRESET no code of its own. */
function brokenInHandshake(error: unknown): boolean {
  return errorText(error).includes("before secure TLS connection was established");
}

/** A TLS alert record, which is how a TLS server answers a plaintext request: 0x15, then version 3.x. */
function startsLikeTls(error: unknown): boolean {
  if (typeof error !== "object" || error === null || !("rawPacket" in error)) return false;
  const packet = error.rawPacket;
  return packet instanceof Uint8Array && packet[0] === 0x15 && packet[1] === 0x03;
}

/** The one piece of an error that a sentence may quote: names in a certificate, a code, or the text of an unknown error. */
function detail(error: unknown): string {
  if (typeof error === "object" && error !== null && "cert" in error) return certificateNames(error.cert);
  const code = firstCode(error) ?? opensslNumber(error);
  if (code?.startsWith("HPE_") === true) return "its answer is something else";
  return code ?? oneLine(errorText(error), 200);
}

function certificateNames(certificate: unknown): string {
  if (typeof certificate !== "object" || certificate === null) return "no name";
  const names = "subjectaltname" in certificate ? certificate.subjectaltname : undefined;
  return typeof names === "string" && names !== "" ? oneLine(names, 200) : "no name";
}
