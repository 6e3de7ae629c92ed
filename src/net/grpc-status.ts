import { Fault, assert } from "../lib/fault.ts";
import { oneLine } from "../lib/one-line.ts";
import { causes } from "./causes.ts";
import { faultOfCause, peerWords, type Peer } from "./diagnose.ts";
import { faultOfConnection } from "./grpc-connect.ts";
import { anyCode, brokenStatus, rowsOfCode, type GrpcPhase, type Row } from "./grpc-rows.ts";

/**
 * What the status at the end of a Flight call means. A gRPC code alone says little: 8 has four meanings, 13 six,
 * and grpc-js makes statuses of its own out of what happens to a connection. So rows (grpc-rows.ts) look at the text
 * too, and this is the only place where that is done. A call that this side cancelled or closed has no
 * status, and does not come here. Pure.
 */

/** As grpc-js gives it: code and details are missing when it could not tell how an answer was compressed. */
export interface GrpcStatus {
  readonly code: number | undefined;
  readonly details: string | undefined;
}

export interface GrpcContext {
  readonly peer: Peer;
  readonly phase: GrpcPhase;
  /** What the call was given. */
  readonly timeoutMs: number;
  /** None was sent. */
  readonly withoutToken?: boolean;
  /** What this side saw of the latest connection attempt, where it knows more than the status says. */
  readonly connectionFault?: Fault | undefined;
  /** Takes the token out of what a server repeats. */
  readonly redact?: (text: string) => string;
}

const maxChars = 300;
/** Servers cut their texts at 2,000 bytes: what a longer one is about stands at its beginning. */
const maxMatchedChars = 4096;

/** Any status but OK. */
export function faultOfStatus(status: GrpcStatus, context: GrpcContext): Fault {
  assert(status.code !== 0, "status OK is no fault");
  const { peer, phase, timeoutMs, withoutToken = false, connectionFault, redact } = context;
  const details = status.details ?? "";
  const lastError = /^No connection established\. Last error: (.*)\. Resolution note:/s.exec(details)?.[1];
  if (status.code === 14 && lastError !== undefined) {
    return faultOfConnection(lastError, peer, connectionFault);
  }
  if (status.code === 14 && /^(?:Name resolution failed|Failed to parse DNS address) /.test(details)) {
    return faultOfCause(causes.nameUnresolved, peer, "");
  }
  if (details === "Protocol not secure enough") {
    return faultOfCause(causes.noCommonVersion, peer, "");
  }
  const said = shortened(decoded(details), redact);
  const { row, match } = findRow(status.code, decoded(details.slice(0, maxMatchedChars)));
  const within = `within ${seconds(timeoutMs)}`;
  const words = { ...peerWords(peer), said, match, phase, within, withoutToken };
  return new Fault({
    code: row.code,
    layer: "flight",
    disposition: row.disposition,
    message: row.sentence(words),
    hint: row.hint(words),
  });
}

function findRow(
  code: number | undefined,
  details: string,
): { readonly row: Row; readonly match: readonly string[] } {
  const rows = code === undefined ? [brokenStatus] : [...anyCode, ...rowsOfCode(code)];
  for (const row of rows) {
    const match = row.when === undefined ? [] : row.when.exec(details);
    if (match !== null) return { row, match };
  }
  return { row: brokenStatus, match: [] };
}

/** grpc-js leaves what `decodeURI` leaves: the characters that have a meaning in a URL. */
function decoded(details: string): string {
  return details.replaceAll(/%(?:2[346BCF]|3[ABDF]|40)/gi, decodeURIComponent);
}

/** Redacted before it is cut, for half a token would not be recognised. */
function shortened(text: string, redact: GrpcContext["redact"]): string {
  return withoutEnding(oneLine(redact?.(text) ?? text, maxChars));
}

/** A loop, because `/[.\s]+$/` looks from every place of a text that a server chose. */
function withoutEnding(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === "." || text[end - 1] === " ")) end -= 1;
  return text.slice(0, end);
}

function seconds(timeoutMs: number): string {
  return `${Math.max(0, Math.round(timeoutMs)) / 1000} s`;
}
