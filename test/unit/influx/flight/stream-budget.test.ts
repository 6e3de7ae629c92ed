/** The byte budget where messages unfold into more than their own bytes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import type { FlightQuery, FlightStream } from "../../../../src/influx/flight/api.ts";
import type { IpcMessage } from "../../../../src/influx/arrow/decoder.ts";
import {
  encodedBy,
  forgeBatch,
  forgeDictionary,
  forgeSchema,
  int32,
  utf8,
} from "../../../support/arrow-forge.ts";
import { clientOn, isFault, messageOf, ScriptedChannel } from "./fixture.ts";

const none = new Uint8Array(0);
const tooBig = isFault("flight_result_too_big", /the answer is larger than the \d+ bytes allowed/);

/** So many bytes of zeros, which zstd makes very small. */
function unfolding(bytes: number): IpcMessage {
  const size = Buffer.alloc(8);
  size.writeBigInt64LE(BigInt(bytes));
  return forgeBatch({
    length: bytes / 4,
    nodes: [[bytes / 4, 0]],
    buffers: [none, Buffer.concat([size, zstdCompressSync(Buffer.alloc(bytes))])],
    compression: [{ u8: 1 }],
  });
}

function streamOf(messages: readonly IpcMessage[], query: Partial<FlightQuery> = {}): FlightStream {
  const channel = new ScriptedChannel(() => messages.map((message) => messageOf(message)));
  return clientOn(channel).query({ text: "SELECT 1", ...query });
}

function received(messages: readonly IpcMessage[]): number {
  return messages.reduce((sum, { header, body }) => sum + header.length + body.length, 0);
}

describe("the byte budget counts", () => {
  const batches = Array.from({ length: 10 }, () => unfolding(100_000));
  const compressed = [forgeSchema({ type: int32 }), ...batches];

  test("what compressed batches become, all together, in whatever way they are read", async () => {
    const maxBytes = 1_000_000 + received(compressed);
    const short = maxBytes - 1;
    await assert.rejects(streamOf(compressed).all({ maxBytes: short }), tooBig);
    await assert.rejects(streamOf(compressed).rows().collect({ maxBytes: short }), tooBig);
    let batchesSeen = 0;
    await assert.rejects(async () => {
      for await (const _ of streamOf(compressed, { maxBytes: short }).chunks()) batchesSeen += 1;
    }, tooBig);
    assert.equal(batchesSeen, 9);
    const stream = streamOf(compressed, { maxBytes });
    assert.equal((await stream.all()).numRows, 250_000);
    assert.equal((await stream.ended).bytes, received(compressed), "of the end are those received");
  });

  test("what a single batch would become, before it takes the memory", async () => {
    await assert.rejects(
      streamOf(compressed).all({ maxBytes: 90_000 }),
      isFault("flight_result_too_big", /a decompressed batch would take more than 90000 bytes/),
    );
  });

  test("what dictionaries become, also those that were replaced", async () => {
    const values = {
      length: 1,
      nodes: [[1, 0]],
      buffers: [
        none,
        Buffer.concat([Buffer.alloc(8, 255), Buffer.from(Int32Array.of(0, 80_000).buffer)]),
        (() => {
          const size = Buffer.alloc(8);
          size.writeBigInt64LE(80_000n);
          return Buffer.concat([size, zstdCompressSync(Buffer.alloc(80_000, "a"))]);
        })(),
      ],
      compression: [{ u8: 1 }],
    } as const;
    const messages = [
      forgeSchema({ type: utf8, dictionary: encodedBy(1) }),
      forgeDictionary(1, values),
      forgeDictionary(1, values),
    ];
    const maxBytes = 160_000 + received(messages);
    await streamOf(messages).all({ maxBytes });
    await assert.rejects(streamOf(messages).all({ maxBytes: maxBytes - 1 }), tooBig);
  });

  test("a value that takes no byte as one, or a few bytes would be rows without end", async () => {
    const nullType = [1, []] as const;
    const nulls = forgeBatch({ length: 100_000, nodes: [[100_000, 100_000]], buffers: [] });
    const noColumns = forgeBatch({ length: 100_000, nodes: [], buffers: [] });
    for (const messages of [
      [forgeSchema({ type: [...nullType] }), nulls, nulls, nulls],
      [forgeSchema(), noColumns, noColumns, noColumns],
    ]) {
      const maxBytes = 300_000 + received(messages);
      assert.equal((await streamOf(messages).rows().collect({ maxBytes })).length, 300_000);
      await assert.rejects(
        streamOf(messages)
          .rows()
          .collect({ maxBytes: maxBytes - 1 }),
        tooBig,
      );
    }
  });
});
