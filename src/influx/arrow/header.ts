/**
 * The header of an IPC message (Message.fbs of the Arrow format) as plain data: what it is, how long its body is and
 * where in the body things lie. Lengths are as the message says them: the body is held to them elsewhere.
 */
import { badStream, unsupportedType } from "./faults.ts";
import { rootTable, type FlatTable } from "./flatbuffer.ts";

export type Codec = "none" | "lz4_frame" | "zstd";

export interface BatchHeader {
  readonly length: number;
  /** Length and null count of every node, one after the other, depth first. */
  readonly nodes: readonly number[];
  /** Offset and length of every buffer, one after the other. */
  readonly buffers: readonly number[];
  readonly codec: Codec;
  readonly variadicBufferCounts: readonly number[];
  /** Before version 5 of the metadata a union had a validity bitmap too. */
  readonly unionsHaveValidity: boolean;
}

export type MessageHeader = { readonly bodyBytes: number } & (
  | { readonly kind: "schema"; readonly schema: FlatTable }
  | { readonly kind: "batch"; readonly batch: BatchHeader; readonly metadata: Map<string, string> }
  | {
      readonly kind: "dictionary";
      readonly id: number;
      readonly isDelta: boolean;
      readonly batch: BatchHeader;
    }
);

/** MetadataVersion: V4 is of 2017 (0.8), V5 of 2020 (1.0). */
const version4 = 3;
const version5 = 4;

export function readHeader(bytes: Uint8Array): MessageHeader {
  const message = rootTable(bytes);
  const version = message.int16(0);
  if (version !== version4 && version !== version5) {
    throw badStream(`its metadata has the version number ${version}, which is neither V4 nor V5`);
  }
  const header = message.table(2);
  const bodyBytes = message.int64(3);
  if (header === undefined) throw badStream("a message has no header");
  if (bodyBytes < 0) throw badStream("a message has a body of negative length");
  const type = message.uint8(1);
  switch (type) {
    case 1:
      return { kind: "schema", bodyBytes, schema: header };
    case 2:
      return {
        kind: "dictionary",
        bodyBytes,
        id: header.int64(0),
        isDelta: header.bool(2),
        batch: readBatch(header.table(1), version),
      };
    case 3:
      return {
        kind: "batch",
        bodyBytes,
        batch: readBatch(header, version),
        metadata: readMetadata(message, 4),
      };
    case 4:
      throw unsupportedType("a message", "Tensor");
    case 5:
      throw unsupportedType("a message", "SparseTensor");
    default:
      throw badStream(`a message is of the unknown kind ${type}`);
  }
}

/** Key-value pairs; of two with the same key the last one holds. */
export function readMetadata(table: FlatTable, slot: number): Map<string, string> {
  return new Map(table.tables(slot).map((pair) => [pair.name(0), pair.text(1) ?? ""]));
}

function readBatch(table: FlatTable | undefined, version: number): BatchHeader {
  if (table === undefined) throw badStream("a dictionary comes without its values");
  return {
    length: table.int64(0),
    nodes: table.int64s(1, 2),
    buffers: table.int64s(2, 2),
    codec: readCodec(table.table(3)),
    variadicBufferCounts: table.int64s(4),
    unionsHaveValidity: version < version5,
  };
}

function readCodec(compression: FlatTable | undefined): Codec {
  if (compression === undefined) return "none";
  const [codec, method] = [compression.uint8(0), compression.uint8(1)];
  if (method !== 0) throw badStream(`its bodies are compressed by the unknown method ${method}`);
  if (codec > 1) throw badStream(`its bodies are compressed by the unknown codec ${codec}`);
  return codec === 0 ? "lz4_frame" : "zstd";
}
