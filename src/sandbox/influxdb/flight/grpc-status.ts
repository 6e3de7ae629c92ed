/** How a call ends, and how its text stands on the wire. */
import { constants } from "node:http2";

/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const statusCode = {
  ok: 0,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** InfluxDB cuts longer texts. */
const maxDetailBytes = 2000;

export class GrpcStatus extends Error {
  readonly code: number;
  readonly details: string;
  /** Trailing metadata that goes with it. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: number, details: string, metadata: Readonly<Record<string, string>> = {}) {
    super(details);
    this.code = code;
    this.details = details;
    this.metadata = metadata;
  }
}

export function trailersOf(status: GrpcStatus): Record<string, string> {
  const message = status.details === "" ? {} : { "grpc-message": percentEncoded(status.details) };
  return { "grpc-status": String(status.code), ...message, ...status.metadata };
}

export const responseHeaders = {
  [constants.HTTP2_HEADER_STATUS]: 200,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
};

/** What tonic encodes beside control characters and what is not ASCII. */
const encoded = new Set(Buffer.from(' "#%<>`?{}'));

function percentEncoded(text: string): string {
  let result = "";
  for (const byte of cut(Buffer.from(text))) {
    const plain = byte > 0x1f && byte < 0x7f && !encoded.has(byte);
    result += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return result;
}

/** At a boundary between characters. */
function cut(bytes: Buffer): Buffer {
  if (bytes.length <= maxDetailBytes) return bytes;
  let end = maxDetailBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
