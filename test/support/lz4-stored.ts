/**
 * Record batches with bodies "compressed" by LZ4: well-formed frames whose blocks are stored as they are, for there is
 * no LZ4 encoder here. Frames that compress are in lz4-frames.ts, and come from PyArrow (test/interop).
 */
import { Message } from "apache-arrow";
import type { IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { forgeBatch } from "./arrow-forge.ts";

/** Magic; version 01 with independent blocks of at most 64 KiB; the checksum of these two bytes. */
const frameHeader = Buffer.from("04224d18604082", "hex");
const maxBlockBytes = 64 * 1024;
const storedFlag = 0x8000_0000;

/** Messages that are no record batches stay as they are. */
export function storedAsLz4(message: IpcMessage): IpcMessage {
  const decoded = Message.decode(message.header);
  if (!decoded.isRecordBatch()) return message;
  const { length, nodes, buffers } = decoded.header();
  return forgeBatch({
    length,
    nodes: nodes.map((node) => [node.length, node.nullCount]),
    buffers: buffers.map((region) =>
      lz4Buffer(message.body.subarray(region.offset, region.offset + region.length)),
    ),
    compression: [{ u8: 0 }],
  });
}

function lz4Buffer(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes;
  const size = Buffer.alloc(8);
  size.writeBigInt64LE(BigInt(bytes.length));
  const parts: Uint8Array[] = [size, frameHeader];
  for (let at = 0; at < bytes.length; at += maxBlockBytes) {
    const block = bytes.subarray(at, at + maxBlockBytes);
    parts.push(word(storedFlag + block.length), block);
  }
  return Buffer.concat([...parts, word(0)]);
}

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
