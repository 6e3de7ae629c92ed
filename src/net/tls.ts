import { X509Certificate, createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { Fault, assert, errorCode } from "../lib/fault.ts";
import type { TlsConfig } from "./config.ts";
import { noCertificate, noKey, type NotPem } from "./not-pem.ts";

/**
 * Turns the TLS part of a configuration slice into what `tls.connect` wants. The files are read when
 * this is called, which is once per new connection: a certificate rotated by certbot or step-ca is
 * picked up without a restart. Every file is parsed here and not left to OpenSSL, which takes a CA
 * file full of garbage without a word and complains about the server afterwards.
 *
 * Faults are passing ones (`retry`): a half-written file is whole again a moment later, and nothing is
 * lost by trying the next connection.
 */

export type TlsOptions = Pick<ConnectionOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized">;

/** The CA bundle of a Debian machine is 220 KB; what is far larger is not a bundle. */
const maxPemBytes = 4 * 1024 * 1024;

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Throws a `Fault`: `tls_file_unreadable`, `tls_bad_pem` or `tls_key_mismatch`. */
export function tlsOptions(config: TlsConfig): TlsOptions {
  const options: TlsOptions = { rejectUnauthorized: config.verify };
  if (config.serverName !== undefined) options.servername = config.serverName;
  if (config.caFile !== undefined) {
    const pem = readPem("ca_file", config.caFile);
    parseCertificates("ca_file", config.caFile, pem);
    options.ca = pem.toString("utf8");
  }
  const { certFile, keyFile } = config;
  assert((certFile === undefined) === (keyFile === undefined), "cert_file and key_file come together");
  if (certFile === undefined || keyFile === undefined) return options;
  const cert = readPem("cert_file", certFile);
  const [leaf] = parseCertificates("cert_file", certFile, cert);
  const key = readPem("key_file", keyFile);
  if (leaf?.checkPrivateKey(parseKey(keyFile, key)) !== true) throw mismatch(certFile, keyFile);
  return { ...options, cert: cert.toString("utf8"), key: key.toString("utf8") };
}

/** All in the file, in its order; at least one. Throws a `Fault`: `tls_file_unreadable` or `tls_bad_pem`. */
export function readCertificates(setting: "ca_file" | "cert_file", path: string): X509Certificate[] {
  return parseCertificates(setting, path, readPem(setting, path));
}

function readPem(setting: string, path: string): Buffer {
  try {
    const { size } = statSync(path);
    if (size > maxPemBytes) throw badPem(setting, path, tooLong(setting, size));
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw unreadable(setting, path, errorCode(error));
  }
}

function tooLong(setting: string, size: number): NotPem {
  const of = setting === "key_file" ? "a key has a few thousand" : "all authorities of a machine have 220 KB";
  return {
    what: `it is ${size} bytes long`,
    hint: `that is another file (${of}): correct ${setting}`,
  };
}

function parseCertificates(setting: string, path: string, pem: Buffer): X509Certificate[] {
  const blocks = pem.toString("latin1").match(pemCertificate) ?? [];
  if (blocks.length === 0) throw badPem(setting, path, noCertificate(setting, path, pem));
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw badPem(setting, path, {
        what: `certificate ${index + 1} of ${blocks.length} in it does not parse`,
        hint: "it is damaged: copy it again, whole, with its lines BEGIN and END",
      });
    }
  });
}

function parseKey(path: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL has several errors for a key with a passphrase, and none is of that alone.
    throw badPem("key_file", path, noKey(path, pem));
  }
}

function unreadable(setting: string, path: string, code: string | undefined): Fault {
  const hints: Readonly<Record<string, string>> = {
    ENOENT: `there is no such file: correct ${setting}, or put the file there`,
    EACCES: `let the user that Flightline runs as read it, for example: chgrp flightline ${path} && chmod g+r ${path}`,
    EISDIR: `it is a directory: name the file itself in ${setting}`,
  };
  return new Fault({
    code: "tls_file_unreadable",
    layer: "config",
    disposition: "retry",
    message: `${setting} ${path} cannot be read (${code ?? "unknown error"})`,
    hint: hints[code ?? ""] ?? `see whether the file system under ${path} is healthy`,
  });
}

function badPem(setting: string, path: string, { what, hint }: NotPem): Fault {
  return new Fault({
    code: "tls_bad_pem",
    layer: "config",
    disposition: "retry",
    message: `${setting} ${path} cannot be used: ${what}`,
    hint,
  });
}

function mismatch(certFile: string, keyFile: string): Fault {
  return new Fault({
    code: "tls_key_mismatch",
    layer: "config",
    disposition: "retry",
    message: `key_file ${keyFile} is not the key of the first certificate in cert_file ${certFile}`,
    hint: "put the client's own certificate first in cert_file, before its intermediates, and name its key in key_file",
  });
}
