/**
 * How messages cross between the daemon and its streams process: a length of four bytes (big endian) and the
 * value in V8's own format, in which bigint and Uint8Array are what they are. Node's channel of `fork` does
 * the same, but what it cannot read is an exception that nobody can catch, in the daemon: here it is a frame
 * that says so, and no length makes the reader keep more than `maxFrameBytes`.
 */
import { deserialize, serialize } from "node:v8";

/** The number of the file descriptor in the process: after standard input, output and error. */
export const channelFd = 3;

/** Decoding that much takes tens of milliseconds; what is usual is a thirtieth of it (worker.ts). */
export const maxFrameBytes = 8 * 1024 * 1024;
const headerBytes = 4;

export type Frame =
  | { readonly kind: "message"; readonly value: unknown }
  /** Cannot be read. The frames after it can. */
  | { readonly kind: "broken" }
  /** The length is none: nothing that follows makes sense. */
  | { readonly kind: "lost" };

/** Undefined: it would be longer than the other side reads. */
export function frameOf(message: object): Uint8Array | undefined {
  const body = serialize(message);
  if (body.length > maxFrameBytes) return undefined;
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, headerBytes);
  return frame;
}

export class FrameReader {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** Of the frame that is being read; undefined while that is not known. */
  #bodyBytes: number | undefined;
  #isLost = false;

  /** The frames that this chunk completes. */
  read(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    if (this.#isLost) return frames;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      const bodyBytes = this.#bodyBytes ?? this.#take(headerBytes)?.readUInt32BE();
      if (bodyBytes === undefined) return frames;
      if (bodyBytes > maxFrameBytes) {
        this.#isLost = true;
        this.#chunks = [];
        frames.push({ kind: "lost" });
        return frames;
      }
      this.#bodyBytes = bodyBytes;
      const body = this.#take(bodyBytes);
      if (body === undefined) return frames;
      this.#bodyBytes = undefined;
      frames.push(valueOf(body));
    }
  }

  /** Undefined, and nothing is taken, when there are not that many. */
  #take(bytes: number): Buffer | undefined {
    if (this.#bytes < bytes) return undefined;
    const first = this.#chunks[0];
    const all = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    const rest = all.subarray(bytes);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    return Buffer.from(all.buffer, all.byteOffset, bytes);
  }
}

function valueOf(body: Buffer): Frame {
  try {
    return { kind: "message", value: deserialize(body) };
  } catch {
    return { kind: "broken" };
  }
}
