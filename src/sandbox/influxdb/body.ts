/**
 * Request bodies. Never more than the limit is held, on the wire and unpacked: a body that is larger is
 * refused while it arrives. Gzip may have several members.
 */
import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

import { errorCode } from "../../lib/fault.ts";
import { plainError } from "./answer.ts";

/** Throws `Refused` for what is too large, not UTF-8 or not the encoding that it claims to be. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity" && encoding !== "gzip") {
    throw plainError(400, `unacceptable content-encoding: ${encoding}`);
  }
  // Leaving the loop early must not destroy the socket: the refusal goes out on it.
  const wire = bounded(request.iterator({ destroyOnReturn: false }), maxBytes);
  const body = encoding === "gzip" ? await unpacked(wire, maxBytes) : await collected(wire);
  return utf8(body);
}

async function* bounded(source: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw plainError(413, `max request size (${maxBytes} bytes) exceeded`);
    yield chunk;
  }
}

async function collected(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function unpacked(wire: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  try {
    return await pipeline(
      wire,
      createGunzip(),
      async (source: AsyncIterable<Buffer>) => await collected(bounded(source, maxBytes)),
    );
  } catch (error) {
    const reason = gzipReasons.get(errorCode(error) ?? "");
    if (reason === undefined) throw error;
    throw plainError(400, `error decoding gzip stream: ${reason}`);
  }
}

const gzipReasons: ReadonlyMap<string, string> = new Map([
  ["Z_DATA_ERROR", "invalid gzip header"],
  ["Z_BUF_ERROR", "unexpected end of file"],
]);

function utf8(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw plainError(400, `body content is not valid utf8: ${utf8Reason(body)}`);
  }
}

/** Finds the longest prefix that decodes, by halving. */
function utf8Reason(body: Buffer): string {
  let valid = 0;
  let invalid = body.length + 1;
  while (invalid - valid > 1) {
    const middle = Math.floor((valid + invalid) / 2);
    if (isUtf8Prefix(body.subarray(0, middle))) valid = middle;
    else invalid = middle;
  }
  // `valid` may count the first bytes of a character that is never completed.
  while (valid > 0 && !isWhole(body.subarray(0, valid))) valid -= 1;
  return invalid > body.length
    ? `incomplete utf-8 byte sequence from index ${valid}`
    : `invalid utf-8 sequence of 1 bytes from index ${valid}`;
}

function isUtf8Prefix(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function isWhole(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
