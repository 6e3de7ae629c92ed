import type { X509Certificate } from "node:crypto";
import { Fault } from "../lib/fault.ts";
import type { TlsConfig } from "./config.ts";
import { endsSoon } from "./expiry.ts";
import { readCertificates, tlsOptions } from "./tls.ts";

/**
 * What is wrong with the files of a TLS configuration, as far as they tell it without a connection. They are read as
 * for a connection (tls.ts), and as for one its faults pass: the files may be others at the next.
 */

export interface TlsFinding {
  /** The key that names the file, or is of no use. */
  readonly setting: "ca_file" | "cert_file" | "key_file" | "server_name";
  /** With an error no connection comes about; a note is about what does nothing. */
  readonly severity: "error" | "warning" | "note";
  readonly fault: Fault;
}

export function examineTls(config: TlsConfig, nowMs: number): TlsFinding[] {
  return [...examineAuthorities(config, nowMs), ...examineClient(config, nowMs), ...examineName(config)];
}

function examineAuthorities({ caFile, verify }: TlsConfig, nowMs: number): TlsFinding[] {
  if (caFile === undefined) return [];
  const authorities = examined("ca_file", () => readCertificates("ca_file", caFile));
  if ("findings" in authorities) return authorities.findings;
  const certificates = authorities.read;
  // OpenSSL follows a chain to a certificate that signed itself, which need not be an authority's.
  if (!verify) return [];
  if (certificates.some((one) => one.checkIssued(one))) return examineEnds(certificates, caFile, nowMs);
  const holds = certificates.some((one) => one.ca) ? "intermediates" : "a server's own certificate";
  return [
    finding("ca_file", "error", {
      code: "tls_no_root",
      message: `ca_file ${caFile} can verify no server: it holds ${holds} and not the root that issued it`,
      hint: `put the certificate of the authority ${issuerOf(certificates.at(-1))} into it`,
    }),
  ];
}

/** Without any that is valid nothing can be verified; one that is left over from a change of authorities does no harm. */
function examineEnds(certificates: readonly X509Certificate[], caFile: string, nowMs: number): TlsFinding[] {
  const expired = certificates.filter(({ validTo }) => Date.parse(validTo) < nowMs);
  const [first] = expired;
  if (first === undefined) return [];
  const isAll = expired.length === certificates.length;
  const which = isAll
    ? "no certificate that is still valid"
    : `${expired.length} of ${certificates.length} certificates that have expired`;
  return [
    finding("ca_file", isAll ? "warning" : "note", {
      code: "tls_authority_expired",
      message: `ca_file ${caFile} holds ${which}: that of ${JSON.stringify(oneLine(first.subject))} expired on ${utc(Date.parse(first.validTo))}`,
      hint: isAll
        ? "put the authority's new certificate into it; if it is valid, correct the clock of this machine: timedatectl"
        : "take it out of the file when no server has a certificate of it any more",
    }),
  ];
}

function examineClient({ certFile, keyFile }: TlsConfig, nowMs: number): TlsFinding[] {
  if (certFile === undefined || keyFile === undefined) return [];
  const certificate = examined("cert_file", () => readCertificates("cert_file", certFile));
  if ("findings" in certificate) return certificate.findings;
  const key = examined("key_file", () => tlsOptions({ certFile, keyFile, verify: true }));
  const [leaf] = certificate.read;
  return [
    ...(leaf === undefined ? [] : examineDates(leaf, certFile, nowMs)),
    ...("findings" in key ? key.findings : []),
  ];
}

function examineDates(
  { validFrom, validTo }: X509Certificate,
  certFile: string,
  nowMs: number,
): TlsFinding[] {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  if (nowMs < from) {
    return [
      finding("cert_file", "error", {
        code: "tls_own_certificate_not_yet_valid",
        message: `cert_file ${certFile} is not valid before ${utc(from)}, and it is ${utc(nowMs)} now`,
        hint: "if that is not the true time, correct the clock of this machine: timedatectl",
      }),
    ];
  }
  if (nowMs <= to && !endsSoon({ validFromMs: from, validToMs: to }, nowMs)) return [];
  const isOver = nowMs > to;
  return [
    finding("cert_file", isOver ? "error" : "warning", {
      code: isOver ? "tls_own_certificate_expired" : "tls_own_certificate_expires_soon",
      message: `cert_file ${certFile} ${isOver ? "expired" : "expires"} on ${utc(to)}`,
      hint: "renew it, and its key; the files are read again with the next connection, without a restart",
    }),
  ];
}

function examineName({ serverName, verify }: TlsConfig): TlsFinding[] {
  if (serverName === undefined || verify) return [];
  return [
    finding("server_name", "note", {
      code: "tls_name_not_verified",
      message: "server_name is asked for, but not verified: verify = false accepts any name",
      hint: "remove verify = false, and name the server's authority in ca_file where that is what it was for",
    }),
  ];
}

type Examined<T> = { readonly read: T } | { readonly findings: TlsFinding[] };

function examined<T>(setting: TlsFinding["setting"], read: () => T): Examined<T> {
  try {
    return { read: read() };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { findings: [{ setting, severity: "error", fault: error }] };
  }
}

interface Words {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

function finding(setting: TlsFinding["setting"], severity: TlsFinding["severity"], words: Words): TlsFinding {
  return { setting, severity, fault: new Fault({ ...words, layer: "config", disposition: "retry" }) };
}

/** Its issuer's name on one line. */
function issuerOf(certificate: X509Certificate | undefined): string {
  return JSON.stringify(oneLine(certificate?.issuer ?? ""));
}

function oneLine(name: string): string {
  return name.replaceAll("\n", ", ");
}

/** "2026-08-01 12:00 UTC" */
function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
