/**
 * How messages cross between the daemon and its streams process: a length of four bytes (big endian) and the
 * value in V8's own format, in which bigint and Uint8Array are what they are. Node's channel of `fork` does
 * the same, but what it cannot read is an exception that nobody can catch, in the daemon: here it is a frame
 * that says so, and no length makes the reader keep more than `maxFrameBytes`.
 *
 * Decoding is what the other side can make expensive: a frame is decoded when it is asked for, and who has
 * had enough of them stops asking.
 */
import { deserialize, serialize } from "node:v8";

/** The number of the file descriptor in the process: after standard input, output and error. */
export const channelFd = 3;

/** Of rows, the largest group of which (messages.ts) takes three quarters of it at most, or one long row. */
export const maxFrameBytes = 1024 * 1024;
const headerBytes = 4;

export type Frame =
  /** `bytes`: of the whole frame, which is what credit is counted in. */
  | { readonly kind: "message"; readonly value: unknown; readonly bytes: number }
  /** Cannot be read. The frames after it can. */
  | { readonly kind: "broken" }
  /** The length is that of no frame: nothing that follows makes sense. */
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

  /** The frames that this chunk completes. To be read to the end, or never again. */
  *read(chunk: Uint8Array): Generator<Frame> {
    if (this.#isLost) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      const bodyBytes = this.#bodyBytes ?? this.#take(headerBytes)?.readUInt32BE();
      if (bodyBytes === undefined) return;
      if (bodyBytes === 0 || bodyBytes > maxFrameBytes) {
        this.#isLost = true;
        this.#chunks = [];
        yield { kind: "lost" };
        return;
      }
      this.#bodyBytes = bodyBytes;
      const body = this.#take(bodyBytes);
      if (body === undefined) return;
      this.#bodyBytes = undefined;
      yield frameIn(body);
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

function frameIn(body: Buffer): Frame {
  try {
    return { kind: "message", value: deserialize(body), bytes: headerBytes + body.length };
  } catch {
    return { kind: "broken" };
  }
}
