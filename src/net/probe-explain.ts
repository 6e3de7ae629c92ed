import { isIP } from "node:net";
import { Fault, assert } from "../lib/fault.ts";
import { causes, opensslCauses, type Cause } from "./causes.ts";
import { causeOfMarks, faultOfCause, peerWords, type ErrorMarks, type Peer } from "./diagnose.ts";
import { askedPath } from "./probe-answer.ts";
import { probeCauses } from "./probe-causes.ts";
import type {
  Answer,
  Asked,
  CertificateFacts,
  ClockReading,
  HttpAnswer,
  ProbeReport,
  TlsLayer,
} from "./probe-report.ts";
import { urlHost } from "./url-host.ts";

/** What a probe's report means: the lowest layer that failed, as a fault like those of `diagnose`. Pure. */

interface Verdict {
  readonly cause: Cause;
  readonly detail: string;
}

/**
 * Undefined: nothing is wrong as far as a probe can see. `clock` is another server's, for peers that do not tell the
 * time.
 */
export function explain(
  report: ProbeReport,
  peer: Peer,
  clock: ClockReading | undefined = report.clock,
): Fault | undefined {
  const file = fileFault(report);
  if (file !== undefined) return file;
  const verdict =
    ofName(report) ??
    ofConnecting(report) ??
    (report.usesTls ? ofTls(report, peer, clock) : ofPlaintext(report, peer));
  return verdict === undefined ? undefined : faultOfCause(verdict.cause, peer, verdict.detail);
}

function fileFault({ tls }: ProbeReport): Fault | undefined {
  if (typeof tls?.failure !== "object" || !("file" in tls.failure)) return undefined;
  return new Fault({ ...tls.failure.file, disposition: "retry" });
}

function because(cause: Cause | undefined, detail = ""): Verdict {
  assert(cause !== undefined, "the table of causes has what is asked for");
  return { cause, detail };
}

function ofName({ resolve }: ProbeReport): Verdict | undefined {
  if (resolve.why === undefined) return undefined;
  return because(causes.byCode[resolve.why === "no_such_name" ? "ENOTFOUND" : "EAI_AGAIN"]);
}

/** Of several addresses, the failure that came furthest tells. */
const furthest = ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT"];

function ofConnecting({ connect }: ProbeReport): Verdict | undefined {
  const failures = (connect?.attempts ?? []).map(({ failure }) => failure);
  if (failures.length === 0 || failures.includes(undefined)) return undefined;
  const code = furthest.find((known) => failures.includes(known)) ?? failures[0] ?? "";
  // Taken and dropped before anybody could speak.
  if (code === "ECONNRESET") return because(probeCauses.hangsUp);
  return because(causes.byCode[code] ?? causes.unknown, code);
}

function ofPlaintext(report: ProbeReport, peer: Peer): Verdict | undefined {
  const { speaks, tls, plaintext } = report;
  if (plaintext === undefined) return undefined;
  const wanted = plaintext.answers.find(({ asked }) => asked === askedFor[speaks]);
  // A TLS server may answer plaintext in plaintext: HTTP 400, this is an HTTPS port.
  const speaksTls = tls !== undefined && (tls.failure === undefined || isHandshakeAlert(tls));
  const isAnswered = wanted?.heard === wanted?.asked && wanted?.http?.status !== 400;
  if (speaksTls && !isAnswered) return because(causes.peerSpeaksTls);
  if (plaintext.answers.some(({ heard }) => heard === "tls")) return because(causes.peerSpeaksTls);
  return ofAnswers(report, peer, plaintext.answers);
}

const askedFor = { http: "http1", grpc: "http2", mqtt: "mqtt" } as const;

/** The handshake failed, but over something in TLS: an alert about a client certificate, a version. */
function isHandshakeAlert({ failure }: TlsLayer): boolean {
  return typeof failure === "object" && "marks" in failure && isAlert(failure.marks.openssl);
}

/** Reason numbers from 0x400 on are alerts that the peer sent (causes.ts). */
function isAlert(openssl: string | undefined): boolean {
  return openssl?.startsWith("0A0004") === true;
}

/** What the port speaks, in plaintext or in TLS, against what is expected there. */
function ofAnswers(report: ProbeReport, peer: Peer, answers: readonly Answer[]): Verdict | undefined {
  const { speaks } = report;
  const heard = (protocol: Answer["heard"]): Answer | undefined =>
    answers.find((answer) => answer.heard === protocol && answer.asked === protocol) ??
    answers.find((answer) => answer.heard === protocol);
  const http = answers.find((answer) => answer.http !== undefined)?.http;
  const wanted: Asked = askedFor[speaks];
  if (wanted === "http1" && http !== undefined) return ofPage(http, report, peer);
  if (wanted !== "http1" && heard(wanted) !== undefined) return undefined;
  if (speaks === "mqtt") {
    if (http !== undefined || heard("http2") !== undefined)
      return because(probeCauses.isHttp, httpDetail(http));
  } else if (heard("mqtt") !== undefined) return because(probeCauses.isMqtt);
  else if (speaks === "grpc" && http !== undefined) {
    return ofPage(http, report, peer) ?? because(probeCauses.http1Only, httpDetail(http));
  } else if (speaks === "http" && heard("http2") !== undefined) {
    // Late is not never: what is slow has causes of its own.
    const isLate = answers.some((answer) => answer.asked === "http1" && answer.end === "late");
    return isLate ? undefined : because(probeCauses.http2Only);
  }
  const other = heard("other");
  if (other !== undefined) {
    const said =
      other.said === undefined ? "it answers in bytes that mean nothing here" : `it says "${other.said}"`;
    return because(speaks === "mqtt" ? probeCauses.notMqtt : causes.notHttp, said);
  }
  return ofSilence(answers, report.usesTls && report.tls?.failure === undefined);
}

/** `isInTls`: of what stands behind a good handshake. */
function ofSilence(answers: readonly Answer[], isInTls = false): Verdict | undefined {
  const bytes = Math.max(0, ...answers.map((answer) => answer.bytes));
  if (bytes > 0) return because(probeCauses.slow, tooFew(bytes));
  // Some servers wait where others hang up: what they all do not is answer.
  const isSilent = answers.length === 0 || answers.some(({ end }) => end === "late");
  if (isInTls) return because(isSilent ? probeCauses.silentInTls : probeCauses.hangsUpInTls);
  return because(isSilent ? probeCauses.silent : probeCauses.hangsUp);
}

function tooFew(bytes: number): string {
  return `only ${bytes} bytes came in time`;
}

/** HTTP that is not InfluxDB's. */
function ofPage(http: HttpAnswer, { usesTls }: ProbeReport, peer: Peer): Verdict | undefined {
  const { status, location, isHtml } = http;
  if (status === 511) return because(probeCauses.captivePortal, httpDetail(http));
  if (status >= 300 && status < 400 && location !== undefined) {
    // A page of the network's own has no certificate for the server's name, and lies elsewhere.
    const isElsewhere = URL.canParse(location) && !isServers(new URL(location), peerWords(peer).host);
    const cause = isElsewhere && !usesTls ? probeCauses.captivePortal : probeCauses.redirects;
    return because(cause, `${httpDetail(http)}, to ${location}`);
  }
  if (status >= 502 && status <= 504) return because(probeCauses.badGateway, httpDetail(http));
  return isHtml && status < 300 ? because(probeCauses.webPage, httpDetail(http)) : undefined;
}

/** Where a server sends requests that came to it the wrong way, and a login page is not. */
function isServers({ href, protocol, pathname }: URL, ours: string): boolean {
  if (protocol === "https:" && pathname === askedPath) return true;
  const theirs = urlHost(href);
  // A name without its domain, and names within one domain: "influx" and "influx.corp.example".
  const domain = ours.split(".").slice(-2).join(".");
  const isName = isIP(ours) === 0 && isIP(theirs) === 0;
  return (
    theirs === ours ||
    (isName && (theirs.startsWith(`${ours}.`) || theirs.endsWith(`.${domain}`) || theirs === domain))
  );
}

function httpDetail(http: HttpAnswer | undefined): string {
  if (http === undefined) return "HTTP/2";
  const { status, server, title } = http;
  return [
    `HTTP ${status}`,
    ...(server === undefined ? [] : [`server ${server}`]),
    ...(title === undefined ? [] : [`"${title}"`]),
  ].join(", ");
}

function ofTls(report: ProbeReport, peer: Peer, clock: ClockReading | undefined): Verdict | undefined {
  const { tls, speaks, inside, others = [], page } = report;
  if (tls === undefined) return undefined;
  if (tls.failure !== undefined) return ofHandshake(tls, report, peer);
  const distrusted = tls.mustVerify && tls.distrust !== undefined ? ofDistrust(tls, peer, clock) : undefined;
  if (distrusted !== undefined) return distrusted;
  // In TLS 1.3 the server looks at our certificate when the handshake is over for us.
  if (inside?.marks?.openssl !== undefined) return ofMarks(inside.marks, peer);
  // nginx completes the handshake all the same, and then answers 400 to everything. A gRPC server does to HTTP/1 anyway.
  const refusal = inside?.heard === "http2" ? report.http2Status : page?.status;
  if (tls.asksForCertificate && refusal === 400) return ofCertificate(tls);
  const isBroker = speaks !== "mqtt" && others.some(({ heard }) => heard === "mqtt");
  if (isBroker) return because(probeCauses.isMqtt);
  if (speaks === "grpc" && tls.alpn !== "h2") return because(probeCauses.noAlpnH2, tls.alpn ?? "none");
  const isCut = inside?.heard === undefined && inside?.end !== "late";
  if (isCut && tls.asksForCertificate) return ofCertificate(tls);
  return inside === undefined ? undefined : ofAnswers(report, peer, [inside, ...others]);
}

/** The server has asked for one, and does not go on. */
function ofCertificate({ hasCertificate }: TlsLayer): Verdict {
  return because(hasCertificate ? causes.clientCertificateRefused : causes.clientCertificateNeeded);
}

function ofHandshake(tls: TlsLayer, report: ProbeReport, peer: Peer): Verdict {
  const { failure } = tls;
  const answers = report.plaintext?.answers ?? [];
  const openssl = typeof failure === "object" && "marks" in failure ? failure.marks.openssl : undefined;
  if (openssl === noApplicationProtocol) return because(probeCauses.noAlpnH2, "none");
  // Versions and ciphers are settled by then. Some servers close the connection instead of saying why.
  const saysNothing = failure !== "late" && (openssl === undefined || openssl === handshakeFailure);
  if (tls.asksForCertificate && (!tls.hasCertificate || saysNothing)) return ofCertificate(tls);
  const isPlaintext = answers.some(({ heard }) => heard !== undefined && heard !== "tls");
  const saysPlaintext = openssl !== undefined && opensslCauses[openssl] === causes.peerSpeaksPlaintext;
  if (isPlaintext && (saysPlaintext || openssl === undefined)) {
    const found = ofAnswers(report, peer, answers);
    return found !== undefined && otherKinds.has(found.cause) ? found : because(causes.peerSpeaksPlaintext);
  }
  if (tls.bytes > 0 && failure === "late") return because(probeCauses.slow, tooFew(tls.bytes));
  if (failure === "late") return ofSilence(answers) ?? because(probeCauses.silent);
  const isDead =
    answers.length > 0 && answers.every(({ heard, end }) => heard === undefined && end !== "late");
  if (isDead && openssl === undefined && tls.bytes === 0) return because(probeCauses.hangsUp);
  return failure === undefined ? because(causes.tlsFailed) : ofFailure(failure, peer);
}

const noApplicationProtocol = "0A000460";
const handshakeFailure = "0A000410";

/** With or without TLS, it is the wrong server. */
const otherKinds: ReadonlySet<Cause> = new Set([
  probeCauses.isHttp,
  probeCauses.isMqtt,
  probeCauses.notMqtt,
  causes.notHttp,
]);

function ofFailure(failure: NonNullable<TlsLayer["failure"]>, peer: Peer): Verdict {
  if (failure === "late" || !("marks" in failure)) return because(causes.tlsFailed, "no answer in time");
  return ofMarks(failure.marks, peer);
}

function ofMarks(marks: ErrorMarks, peer: Peer): Verdict {
  return because(causeOfMarks(marks, peerWords(peer)), marks.code ?? marks.openssl);
}

/** HTTP dates count whole seconds, and answers take a while. */
const clockToleranceMs = 5000;

function ofDistrust(tls: TlsLayer, peer: Peer, clock: ClockReading | undefined): Verdict {
  const { distrust = "", missingIssuer: missing, chain } = tls;
  const wrongClock = ofClock(tls, clock);
  if (wrongClock !== undefined) return wrongClock;
  const cause = causeOfMarks({ ...noMarks, code: distrust }, peerWords(peer));
  if (cause.code === "tls_wrong_name") return because(cause, chain[0]?.names ?? "no name");
  if (cause.code !== "tls_unknown_ca" || missing === undefined) return because(cause, distrust);
  if (missing.known === "same_name") return because(probeCauses.otherKey, missing.name);
  if (missing.known === "downloadable") return because(probeCauses.unknownOrUnsent, missing.name);
  return because(
    missing.known === undefined ? probeCauses.unknownIssuer : probeCauses.missingIntermediate,
    missing.name,
  );
}

const noMarks = { code: undefined, openssl: undefined, isCutHandshake: false, startsLikeTls: false };

/**
 * A certificate that is out of its time here and valid by the other clock: then one of them is wrong. Which, they do not
 * tell.
 */
function ofClock({ distrust, chain }: TlsLayer, clock: ClockReading | undefined): Verdict | undefined {
  if (clock === undefined || (distrust !== "CERT_NOT_YET_VALID" && distrust !== "CERT_HAS_EXPIRED"))
    return undefined;
  const { theirMs, oursMs } = clock;
  const offMs = Math.abs(theirMs - oursMs);
  const outdated = chain.filter((certificate) => !isInTime(certificate, oursMs));
  const isValidThere = outdated.length > 0 && outdated.every((certificate) => isInTime(certificate, theirMs));
  if (offMs < clockToleranceMs || !isValidThere) return undefined;
  return because(theirMs > oursMs ? probeCauses.clockBehind : probeCauses.clockAhead, duration(offMs));
}

function isInTime({ validFromMs, validToMs }: CertificateFacts, atMs: number): boolean {
  return atMs >= validFromMs && atMs <= validToMs;
}

function duration(ms: number): string {
  const units = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
    ["second", 1000],
  ] as const;
  const [name, unitMs] = units.find(([, size]) => ms >= 2 * size) ?? ["second", 1000];
  return `${Math.round(ms / unitMs)} ${name}s`;
}
