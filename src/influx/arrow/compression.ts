/**
 * Compressed bodies: each buffer by itself, behind 8 bytes with its size once decompressed, or -1 when it is as it is
 * (Message.fbs, BodyCompressionMethod.BUFFER). The sizes of a message are added up and refused before memory is taken.
 */
import { constants, zstdDecompressSync } from "node:zlib";
import { badStream, decodedTooBig } from "./faults.ts";
import type { Codec } from "./header.ts";
import { decodeLz4Frame } from "./lz4.ts";

const prefixBytes = 8;
/** zstd's own default for streams: a window of 128 MiB. */
const zstdWindowLogMax = 27;
const zstdChunkBytes = 1024 * 1024;

/** For one message. */
export class Inflater {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What the buffers took so far beyond the body that they lay in. */
  get bytes(): number {
    return this.#bytes;
  }

  inflate(codec: Codec, buffer: Uint8Array): Uint8Array {
    if (codec === "none" || buffer.length === 0) return buffer;
    if (buffer.length < prefixBytes) throw badStream("a compressed buffer has no size in front");
    const prefix = new DataView(buffer.buffer, buffer.byteOffset, prefixBytes).getBigInt64(0, true);
    const compressed = buffer.subarray(prefixBytes);
    if (prefix === -1n) return compressed;
    // So Arrow's Java writes a buffer of no bytes: without a frame.
    if (prefix === 0n && compressed.length === 0) return compressed;
    if (prefix < 0n) throw badStream("a compressed buffer has a negative size");
    const size = Number(prefix);
    if (this.#bytes + size > this.#maxBytes) throw decodedTooBig("a decompressed batch", this.#maxBytes);
    this.#bytes += size;
    return codec === "lz4_frame" ? decodeLz4Frame(compressed, size) : decodeZstd(compressed, size);
  }
}

function decodeZstd(compressed: Uint8Array, size: number): Uint8Array {
  const bytes = zstd(compressed, size);
  if (bytes.length !== size) throw badStream("a zstd buffer is of another size than it says");
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function zstd(compressed: Uint8Array, size: number): Buffer {
  try {
    return zstdDecompressSync(compressed, {
      maxOutputLength: Math.max(size, 1),
      chunkSize: Math.min(Math.max(size, 64), zstdChunkBytes),
      params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax },
    });
  } catch (error) {
    throw badStream("a zstd buffer is damaged", error);
  }
}
