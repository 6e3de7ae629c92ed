import { Metadata } from "@grpc/grpc-js";
import { Fault, assert } from "../../lib/fault.ts";

/**
 * The metadata of a call. Everything is checked before grpc-js sees it, which quotes the value of what it
 * refuses: of a token too.
 */

export interface MetadataParts {
  readonly token: string | undefined;
  readonly database: string;
  readonly requestId: string;
  readonly own: Readonly<Record<string, string>> | undefined;
  /** Until the deadline. */
  readonly timeoutMs: number;
}

/**
 * Most servers take 16 KiB and some hundred headers; one that does not breaks the connection, and with it the queries of
 * others. Ours are in it too.
 */
const maxOwnBytes = 8 * 1024;
const maxOwnKeys = 64;
const maxDatabaseChars = 512;
const maxRequestIdChars = 512;

/** Set here, by grpc-js or by HTTP/2, which refuses those of a connection. */
const reserved = new Set(
  (
    "authorization database x-request-id te host content-type content-length user-agent accept-encoding " +
    "connection keep-alive proxy-connection transfer-encoding upgrade http2-settings"
  ).split(" "),
);

/** Throws the fault `flight_bad_metadata`. */
export function callMetadata({ token, database, requestId, own = {}, timeoutMs }: MetadataParts): Metadata {
  assert(
    token === undefined || /^[\x21-\x7e]*$/.test(token),
    "the configuration let a token through that no metadata can carry",
  );
  const metadata = new Metadata();
  const entries = Object.entries(own);
  if (entries.length > maxOwnKeys) {
    throw badMetadata(`the metadata of the query has ${entries.length} keys`, `send ${maxOwnKeys} at most`);
  }
  let bytes = 0;
  for (const [key, value] of entries) {
    checkKey(key);
    checkValue(`metadata ${key}`, value);
    bytes += key.length + value.length;
    metadata.set(key, value);
  }
  if (bytes > maxOwnBytes) {
    throw badMetadata(`the metadata of the query is ${bytes} bytes long`, `stay below ${maxOwnBytes} bytes`);
  }
  checkName("the name of the database", database, maxDatabaseChars);
  checkName("the request id", requestId, maxRequestIdChars);
  metadata.set("database", database);
  metadata.set("x-request-id", requestId);
  if (token !== undefined && token !== "") metadata.set("authorization", `Bearer ${token}`);
  metadata.set("grpc-timeout", grpcTimeout(timeoutMs));
  return metadata;
}

/** At most eight digits and a unit. Set here, for grpc-js would take it from the clock, which NTP may set meanwhile. */
function grpcTimeout(timeoutMs: number): string {
  const wholeMs = Math.max(1, Math.ceil(timeoutMs));
  return wholeMs < 1e8 ? `${wholeMs}m` : `${Math.min(Math.ceil(wholeMs / 1000), 99_999_999)}S`;
}

function checkKey(key: string): void {
  const isLegal = /^[0-9a-z_.-]{1,128}$/.test(key);
  if (isLegal && !key.startsWith("grpc-") && !key.endsWith("-bin") && !reserved.has(key)) return;
  throw badMetadata(
    `the query has metadata named ${JSON.stringify(key.slice(0, 128).toWellFormed())}`,
    "use lower-case letters, digits, - _ and . for a name that neither gRPC nor Flightline uses itself, and no -bin at its end",
  );
}

function checkValue(what: string, value: string): void {
  if (typeof value === "string" && /^[ -~]*$/.test(value)) return;
  throw badMetadata(
    `${what} holds what no metadata can carry (its value is not shown)`,
    "use printable ASCII: no line break, no character outside ASCII",
  );
}

function checkName(what: string, value: string, maxChars: number): void {
  checkValue(what, value);
  if (value.length <= maxChars) return;
  throw badMetadata(`${what} is ${value.length} characters long`, `use ${maxChars} at most`);
}

function badMetadata(message: string, hint: string): Fault {
  return new Fault({ code: "flight_bad_metadata", layer: "flight", disposition: "drop", message, hint });
}
