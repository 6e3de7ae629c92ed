/**
 * What arrow-js's own writer makes of a table, taken apart into the messages that Flight would carry: the header as a
 * bare flatbuffer, the body beside it.
 */
import { zstdCompressSync } from "node:zlib";
import { Message, type RecordBatch, RecordBatchStreamWriter, type Table } from "apache-arrow";
import type { IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { forgeBatch } from "./arrow-forge.ts";

interface MessageOptions {
  /** Record batches only. By us: arrow-js 21.2 puts the compressed size where the format has the other one. */
  readonly compression?: "zstd";
  /** How far from a multiple of 8 the bodies lie in memory, as bytes out of protobuf do. Default 0. */
  readonly misalignedBy?: number;
}

export function messagesOf(of: Table | Iterable<RecordBatch>, options: MessageOptions = {}): IpcMessage[] {
  const messages = splitStream(RecordBatchStreamWriter.writeAll(of).toUint8Array(true));
  const compressed = options.compression === "zstd" ? messages.map((message) => withZstd(message)) : messages;
  return compressed.map(({ header, body }) => ({ header, body: movedBy(options.misalignedBy ?? 0, body) }));
}

/** An IPC stream: each message is a mark of continuation, the length of its header, the header and the body. */
function splitStream(stream: Uint8Array): IpcMessage[] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const messages: IpcMessage[] = [];
  let at = 0;
  while (at + 8 <= stream.length) {
    const headerBytes = view.getInt32(at + 4, true);
    if (headerBytes === 0) break;
    const header = stream.slice(at + 8, at + 8 + headerBytes);
    at += 8 + headerBytes;
    const { bodyLength } = Message.decode(header);
    messages.push({ header, body: stream.slice(at, at + bodyLength) });
    at += bodyLength;
  }
  return messages;
}

function movedBy(bytes: number, body: Uint8Array): Uint8Array {
  const moved = new Uint8Array(new ArrayBuffer(body.length + 8), bytes, body.length);
  moved.set(body);
  return moved;
}

function withZstd(message: IpcMessage): IpcMessage {
  const decoded = Message.decode(message.header);
  if (!decoded.isRecordBatch()) return message;
  const batch = decoded.header();
  return forgeBatch({
    length: batch.length,
    nodes: batch.nodes.map(({ length, nullCount }) => [length, nullCount]),
    buffers: batch.buffers.map(({ offset, length }) =>
      zstdBuffer(message.body.subarray(offset, offset + length)),
    ),
    compression: [{ u8: 1 }],
    variadicBufferCounts: batch.variadicBufferCounts,
  });
}

function zstdBuffer(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes;
  const size = Buffer.alloc(8);
  size.writeBigInt64LE(BigInt(bytes.length));
  return Buffer.concat([size, zstdCompressSync(bytes)]);
}
