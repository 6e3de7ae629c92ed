/**
 * Record batches as an Arrow IPC stream (application/vnd.apache.arrow.stream), as PyArrow, DuckDB and
 * pandas read it. Nothing is held back: the writer of Arrow JS puts its bytes into a queue without an
 * end, so they are taken here after each batch. They are views of the batch's own buffers.
 */
import { type RecordBatch, RecordBatchStreamWriter, type Schema } from "apache-arrow";
import { assert } from "../lib/fault.ts";

export class ArrowEncoder {
  readonly #writer = new CollectingWriter({ autoDestroy: false });

  /** Before the first batch. */
  begin(schema: Schema): Uint8Array[] {
    this.#writer.reset(undefined, schema);
    return this.#writer.take();
  }

  /** Of that schema. */
  batch(batch: RecordBatch): Uint8Array[] {
    this.#writer.write(batch);
    return this.#writer.take();
  }

  end(): Uint8Array[] {
    this.#writer.reset();
    return this.#writer.take();
  }
}

class CollectingWriter extends RecordBatchStreamWriter {
  #pieces: Uint8Array[] = [];

  take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  protected override _write(piece: unknown): this {
    assert(ArrayBuffer.isView(piece), "the Arrow writer writes views of bytes");
    if (piece.byteLength > 0) {
      this.#pieces.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
    }
    return this;
  }
}
