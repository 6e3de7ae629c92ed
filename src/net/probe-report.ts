import type { Layer } from "../lib/fault.ts";
import type { TlsConfig } from "./config.ts";
import type { ErrorMarks } from "./diagnose.ts";

/** What a probe found out about an endpoint, in layers: plain data. A layer is absent when a lower one failed. */

export type Speaks = "http" | "grpc" | "mqtt";

export interface ProbeTarget {
  /** As configured: http, https, mqtt or mqtts. A user name or password in it is never sent. */
  readonly url: string;
  readonly tls: TlsConfig;
  /** What is expected to answer there. */
  readonly speaks: Speaks;
  /** Of one step. The whole probe takes twice that at most. */
  readonly timeoutMs: number;
}

export interface ProbeReport {
  readonly speaks: Speaks;
  readonly usesTls: boolean;
  /** Unix, on this machine's clock. */
  readonly startedAtMs: number;
  readonly ms: number;
  readonly resolve: ResolveLayer;
  readonly connect?: ConnectLayer | undefined;
  readonly plaintext?: PlaintextLayer | undefined;
  /** With a plaintext URL: whether the port speaks TLS; nothing is verified then. */
  readonly tls?: TlsLayer | undefined;
  /** What answered in TLS, in the protocol that is expected. */
  readonly inside?: Answer | undefined;
  /** Where it was not answered: what the other protocols were, in TLS. */
  readonly others?: readonly Answer[] | undefined;
  /** What HTTP/1.1 was answered in TLS, also where gRPC is expected. */
  readonly page?: HttpAnswer | undefined;
  /**
   * Of a request over HTTP/2 in TLS, where it speaks that, asks for a certificate, and answers 400 in HTTP/1.1. Undefined
   * also when there was no answer.
   */
  readonly http2Status?: number | undefined;
  readonly clock?: ClockReading | undefined;
}

export interface ResolveLayer {
  readonly ms: number;
  readonly addresses: readonly string[];
  /** Undefined: there are addresses. */
  readonly why?: "no_such_name" | "no_dns_answer" | undefined;
}

export interface ConnectLayer {
  readonly ms: number;
  /** In the order of the addresses, of which there may be more. */
  readonly attempts: readonly Attempt[];
}

export interface Attempt {
  readonly address: string;
  readonly ms: number;
  /** Undefined: connected. A code of Node.js; ETIMEDOUT also when it was this side that waited no longer. */
  readonly failure?: string | undefined;
}

export interface PlaintextLayer {
  readonly ms: number;
  /** One for each of the protocols that were tried. */
  readonly answers: readonly Answer[];
}

export type Asked = "http1" | "http2" | "mqtt";
type Heard = Asked | "tls" | "other";

export interface Answer {
  readonly ms: number;
  readonly asked: Asked;
  /** Undefined: too few bytes to tell, mostly none. */
  readonly heard?: Heard | undefined;
  readonly bytes: number;
  /** "cut": an error, mostly a reset; "late": no (whole) answer in time. */
  readonly end: "answered" | "closed" | "cut" | "late";
  readonly http?: HttpAnswer | undefined;
  /** The first printable characters of what is "other": "SSH-2.0-OpenSSH_9.2". */
  readonly said?: string | undefined;
  readonly marks?: ErrorMarks | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly server?: string | undefined;
  readonly location?: string | undefined;
  readonly isHtml: boolean;
  readonly title?: string | undefined;
  readonly clock?: ClockReading | undefined;
}

export interface TlsLayer {
  readonly ms: number;
  /** Undefined: there is a session. "late": it was not there in time. */
  readonly failure?: TlsFailure | "late" | undefined;
  /** Received by the time it was over. */
  readonly bytes: number;
  readonly protocol?: string | undefined;
  /** Chosen by the server. */
  readonly alpn?: string | undefined;
  /** The server's own first. */
  readonly chain: readonly CertificateFacts[];
  /** False: `distrust` says why. Whether that matters is up to `verify` in the configuration. */
  readonly isVerified: boolean;
  readonly mustVerify: boolean;
  /** A code of Node.js: CERT_HAS_EXPIRED, ERR_TLS_CERT_ALTNAME_INVALID … */
  readonly distrust?: string | undefined;
  readonly asksForCertificate: boolean;
  readonly hasCertificate: boolean;
  readonly missingIssuer?: MissingIssuer | undefined;
}

/** An error of the handshake, or the fault of a TLS file of ours. */
export type TlsFailure = { readonly marks: ErrorMarks } | { readonly file: FileFault };

interface FileFault {
  readonly code: string;
  readonly layer: Layer;
  readonly message: string;
  readonly hint: string | undefined;
}

export interface CertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  /** As Node.js writes them: "DNS:localhost, IP Address:127.0.0.1". */
  readonly names: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  readonly sha256: string;
}

/** The authority that would have to be known for the chain to end in trust. */
export interface MissingIssuer {
  readonly name: string;
  /**
   * "same_name": ca_file has an authority of that name, with another key. "same_house": it has one of the same
   * organisation. "downloadable": there is no ca_file, and the certificate says where its issuer can be
   * had, as those of public authorities do, and many of others.
   */
  readonly known?: "same_name" | "same_house" | "downloadable" | undefined;
}

/** The `Date` of an HTTP answer beside our clock. It counts whole seconds. */
export interface ClockReading {
  readonly theirMs: number;
  readonly oursMs: number;
}
