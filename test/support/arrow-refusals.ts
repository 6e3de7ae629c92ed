/** What a decoder says of messages that lie. */
import assert from "node:assert/strict";
import { ArrowDecoder, type Decoded, type IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { Fault } from "../../src/lib/fault.ts";
import { forgeBatch, forgeSchema, type ForgedBatch, type ForgedField } from "./arrow-forge.ts";

/** What the last of the messages of one stream becomes. */
export function decodeStream(...messages: readonly IpcMessage[]): Decoded | undefined {
  const decoder = new ArrowDecoder();
  return messages.map((message) => decoder.decode(message)).at(-1);
}

/** That the stream is malformed, and what is said of it. */
export function assertMalformed(what: RegExp, ...messages: readonly IpcMessage[]): void {
  const isRight = (error: unknown): boolean =>
    error instanceof Fault && error.code === "flight_bad_stream" && what.test(error.message);
  assert.throws(() => decodeStream(...messages), isRight, String(what));
}

/** That a batch of one column is good, and what has to be said of it once changed. */
export function assertHeld(
  field: ForgedField,
  good: ForgedBatch,
  lies: readonly [what: RegExp, change: Partial<ForgedBatch>][],
): void {
  assert.equal(decodeStream(forgeSchema(field), forgeBatch(good))?.kind, "batch");
  for (const [what, change] of lies)
    assertMalformed(what, forgeSchema(field), forgeBatch({ ...good, ...change }));
}
