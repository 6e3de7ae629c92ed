import type { Fault } from "../lib/fault.ts";
import { causes } from "./causes.ts";
import { diagnose, faultOfCause, type Peer } from "./diagnose.ts";

/**
 * A connection that grpc-js could not make. Of the error that Node.js gave it, only the text is left, so the
 * code is found again in that text; what it means is the same as for HTTP (causes.ts). Pure.
 */

/**
 * `told` is what stands behind "Last error:". `known` is what this side saw of the latest attempt once its TCP
 * connection was there.
 */
export function faultOfConnection(told: string, peer: Peer, known: Fault | undefined): Fault {
  const text = told.replace(/\s*\(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, "").replace(/^Error: /, "");
  const isBeforeTcp = text.startsWith("connect E");
  if (known !== undefined && !isBeforeTcp) return known;
  if (text === "Protocol error")
    return faultOfCause(causes.notHttp2, peer, "it answered in another protocol");
  // The other side closed before HTTP/2 began.
  if (text === "Failed to connect") return diagnose(coded(text, "ECONNRESET"), peer);
  return diagnose(coded(text, codeIn(text)), peer);
}

/** The texts of Node.js and OpenSSL for what has no number or system error in its text. */
const codesOfTexts: readonly (readonly [RegExp, string])[] = [
  [/altnames: |not in the cert's list: |Cert is empty/, "ERR_TLS_CERT_ALTNAME_INVALID"],
  [/certificate has expired/, "CERT_HAS_EXPIRED"],
  [/certificate is not yet valid/, "CERT_NOT_YET_VALID"],
  [/certificate revoked/, "CERT_REVOKED"],
  [/self[- ]signed certificate in certificate chain/, "SELF_SIGNED_CERT_IN_CHAIN"],
  [/self[- ]signed certificate/, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  [/unable to verify the first certificate/, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [/unable to get local issuer certificate/, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
  [/unable to get issuer certificate/, "UNABLE_TO_GET_ISSUER_CERT"],
  [/certificate not trusted/, "CERT_UNTRUSTED"],
  [/before secure TLS connection was established/, "ECONNRESET"],
];

function codeIn(text: string): string | undefined {
  return codesOfTexts.find(([pattern]) => pattern.test(text))?.[1] ?? /\bE[A-Z]{3,}\b/.exec(text)?.[0];
}

/** As Node.js makes them: `diagnose` reads code, text and the names in a certificate. */
function coded(text: string, code: string | undefined): Error {
  const error = Object.assign(new Error(text), code !== undefined && { code });
  if (code !== "ERR_TLS_CERT_ALTNAME_INVALID") return error;
  return Object.assign(error, {
    cert: { subjectaltname: /cert's (?:altnames|list): (.*)$/.exec(text)?.[1] },
  });
}
