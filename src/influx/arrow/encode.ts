/** A record batch as IPC messages without their frames, as Flight carries them: the schema first. */
import { RecordBatchStreamWriter, type RecordBatch } from "apache-arrow";
import { assert } from "../../lib/fault.ts";
import type { IpcMessage } from "./decoder.ts";
import { readHeader } from "./header.ts";

/** The marker and the length of the header. */
const frameBytes = 8;

export function encodeBatch(batch: RecordBatch): readonly IpcMessage[] {
  const writer = new RecordBatchStreamWriter();
  writer.write(batch);
  writer.finish();
  const stream = writer.toUint8Array(true);
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const messages: IpcMessage[] = [];
  for (let at = 0; ;) {
    assert(at + frameBytes <= stream.length, "a stream of arrow-js ends with a frame of length 0");
    const headerBytes = view.getInt32(at + 4, true);
    if (headerBytes === 0) return messages;
    const bodyAt = at + frameBytes + headerBytes;
    const header = stream.subarray(at + frameBytes, bodyAt);
    at = bodyAt + readHeader(header).bodyBytes;
    messages.push({ header, body: stream.subarray(bodyAt, at) });
  }
}
