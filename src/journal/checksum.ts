import { crc32 } from "node:zlib";
import type { MessageRow } from "./message.ts";

/**
 * SQLite notices a damaged page, not a damaged payload: without a checksum a row with other bytes than were
 * received is a row like any other. The `flags` column has room for one above its own 28 bits:
 *
 *     bits 0–27  flags (message.ts)      bit 28  there is a checksum      bits 29–52  24 bits of the row's CRC-32
 *
 * It covers every column and the seq. Rows written before there was one have none.
 */
const ownBits = 0x0fff_ffff;
const sealBit = 2 ** 28;
const checksumUnit = 2 ** 29;
const checksumBits = 0x00ff_ffff;
const numberBytes = 8;

/** What the `flags` column of that row is to hold; only its lower 28 bits are looked at. */
export function sealedFlags(row: MessageRow): number {
  return (row.flags & ownBits) + sealBit + checksumOf(row) * checksumUnit;
}

export function sealOf(row: MessageRow): "whole" | "broken" | "none" {
  // Not `row.flags < sealBit`: what damage has left of a number may be negative, or anything.
  if ((row.flags & ownBits) === row.flags) return "none";
  return sealedFlags(row) === row.flags ? "whole" : "broken";
}

function checksumOf({
  seq,
  source,
  topic,
  payload,
  received_ms,
  uptime_ms,
  boot,
  flags,
}: MessageRow): number {
  const numbers = [seq, received_ms, uptime_ms, boot, flags & ownBits, source.length, topic.length];
  const head = Buffer.alloc(numbers.length * numberBytes);
  for (const [index, value] of numbers.entries()) head.writeDoubleLE(value, index * numberBytes);
  return crc32(payload, crc32(topic, crc32(source, crc32(head)))) & checksumBits;
}
