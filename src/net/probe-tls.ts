import { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, type ConnectionOptions, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { Fault } from "../lib/fault.ts";
import type { TlsConfig } from "./config.ts";
import { marksOf, type ErrorMarks } from "./diagnose.ts";
import { quotable } from "./probe-answer.ts";
import type { CertificateFacts, MissingIssuer, TlsFailure, TlsLayer } from "./probe-report.ts";
import { elapsed, within, type Bound } from "./probe-socket.ts";
import { tlsOptions, type TlsOptions } from "./tls.ts";

/**
 * A TLS handshake that goes on where a client would stop: whatever certificate there is, it is looked at to the
 * end of the chain, and the verdict is noted. Nothing secret goes into such a connection.
 */

export interface Handshake {
  readonly layer: TlsLayer;
  /** The caller's to close. */
  readonly session: TLSSocket | undefined;
}

export interface HandshakeOptions {
  readonly host: string;
  /** Undefined: only whether the port speaks TLS. */
  readonly tls: TlsConfig | undefined;
  readonly alpn: readonly string[];
}

const maxChain = 10;

/** Takes the socket over; it is closed when there is no session. Never rejects. */
export async function shakeHands(
  socket: Socket,
  options: HandshakeOptions,
  bound: Bound,
): Promise<Handshake> {
  const startedMs = performance.now();
  const { host, tls, alpn } = options;
  let files: TlsOptions = {};
  try {
    if (tls !== undefined) files = tlsOptions(tls);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    socket.destroy();
    const { code, layer, message, hint } = error;
    const failure = { file: { code, layer, message, hint } };
    return { layer: { ...withoutSession(tls), ms: elapsed(startedMs), failure }, session: undefined };
  }
  const wanted: ConnectionOptions = { ...files, rejectUnauthorized: false, socket, host };
  if (alpn.length > 0) wanted.ALPNProtocols = [...alpn];
  if (wanted.servername === undefined && isIP(host) === 0) wanted.servername = host;
  let session: TLSSocket;
  try {
    session = connect(wanted);
  } catch (error) {
    // OpenSSL looks at a certificate of ours here: at a key that is too weak, for one.
    socket.destroy();
    const failed = { ms: elapsed(startedMs), failure: { marks: marksOf(error) } };
    return { layer: { ...withoutSession(tls), ...failed }, session: undefined };
  }
  let asksForCertificate = false;
  // An error leaves nothing to ask; by the time of this event, the server's part of TLS 1.2 has been read.
  session.on("keylog", () => {
    asksForCertificate ||= hasCertificateRequest(session);
  });
  const failure = await within<TlsFailure | "late" | undefined>(bound, "late", (settle) => {
    session.once("secureConnect", () => settle(undefined));
    // Stays: a session may fail later too.
    session.on("error", (error) => settle({ marks: inHandshake(marksOf(error)) }));
    session.once("close", () => settle({ marks: cutMarks }));
  });
  const layer = {
    ...withoutSession(tls),
    ms: elapsed(startedMs),
    bytes: socket.bytesRead,
    asksForCertificate: asksForCertificate || hasCertificateRequest(session),
  };
  if (failure !== undefined) {
    session.destroy();
    socket.destroy();
    return { layer: { ...layer, failure }, session: undefined };
  }
  return { layer: { ...layer, ...factsOf(session, files.ca) }, session };
}

/** A reset has no words of its own for the handshake. */
function inHandshake(marks: ErrorMarks): ErrorMarks {
  const isCutHandshake = marks.code === "ECONNRESET" || marks.code === "EPIPE";
  return isCutHandshake ? { ...marks, code: "ECONNRESET", isCutHandshake } : marks;
}

const cutMarks: ErrorMarks = {
  code: "ECONNRESET",
  openssl: undefined,
  isCutHandshake: true,
  startsLikeTls: false,
};

function withoutSession(tls: TlsConfig | undefined): TlsLayer {
  return {
    ms: 0,
    bytes: 0,
    chain: [],
    isVerified: false,
    mustVerify: tls?.verify ?? false,
    asksForCertificate: false,
    hasCertificate: tls?.certFile !== undefined,
  };
}

/** OpenSSL knows signature algorithms of the server from its CertificateRequest only. Null: it is closed already. */
function hasCertificateRequest(session: TLSSocket): boolean {
  const shared: readonly string[] | null = session.getSharedSigalgs();
  return shared !== null && shared.length > 0;
}

function factsOf(session: TLSSocket, ca: TlsOptions["ca"]): Partial<TlsLayer> {
  const certificates = chainOf(session);
  const last = certificates.at(-1);
  const why: unknown = session.authorizationError;
  const distrust = session.authorized ? undefined : codeOf(why);
  const isOpen = last !== undefined && name(last.issuer) !== name(last.subject);
  return {
    protocol: session.getProtocol() ?? undefined,
    alpn: typeof session.alpnProtocol === "string" ? session.alpnProtocol : undefined,
    chain: certificates.map(certificateFacts),
    isVerified: session.authorized,
    distrust,
    missingIssuer:
      distrust === undefined || last === undefined
        ? undefined
        : missingIssuer(last, isOpen, typeof ca === "string" ? ca : undefined),
  };
}

/** A code at run time, an `Error` by its type. */
function codeOf(why: unknown): string {
  return typeof why === "string" ? why : (marksOf(why).code ?? "CERT_UNTRUSTED");
}

function chainOf(session: TLSSocket): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  const seen = new Set<string>();
  let next: DetailedPeerCertificate | undefined = session.getPeerCertificate(true);
  while (next?.fingerprint256 !== undefined && chain.length < maxChain && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256);
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function certificateFacts(certificate: DetailedPeerCertificate): CertificateFacts {
  return {
    subject: name(certificate.subject),
    issuer: name(certificate.issuer),
    names: quotable(certificate.subjectaltname, 200) ?? "no name",
    validFromMs: Date.parse(certificate.valid_from),
    validToMs: Date.parse(certificate.valid_to),
    sha256: certificate.fingerprint256,
  };
}

/** "CN=server, O=Example"; a part may stand there several times. */
function name(parts: object): string {
  const text = Object.entries(parts)
    .toReversed()
    .map(([key, value]) => `${key}=${[value].flat().join("+")}`)
    .join(", ");
  return quotable(text, 200) ?? "no name";
}

function missingIssuer(
  last: DetailedPeerCertificate,
  isOpen: boolean,
  ca: string | undefined,
): MissingIssuer | undefined {
  const issuer = name(last.issuer);
  // A chain that ends in itself is whole: its root is what is not trusted.
  if (!isOpen) return { name: issuer };
  if (ca === undefined) {
    const isDownloadable = last.infoAccess?.["CA Issuers - URI"] !== undefined;
    return { name: issuer, known: isDownloadable ? "downloadable" : undefined };
  }
  const trusted = (ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem).toLegacyObject().subject,
  );
  const house = String(last.issuer.O);
  if (trusted.some((subject) => name(subject) === issuer)) return { name: issuer, known: "same_name" };
  const isRelated = last.issuer.O !== undefined && trusted.some((subject) => String(subject.O) === house);
  return { name: issuer, known: isRelated ? "same_house" : undefined };
}
