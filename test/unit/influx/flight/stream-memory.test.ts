import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Field, makeData, RecordBatch, Schema, Struct, Utf8 } from "apache-arrow";
import type { FlightStream } from "../../../../src/influx/flight/api.ts";
import { clientOn, messagesOf, ScriptedChannel, type Script } from "./fixture.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const mib = 1024 * 1024;
const batches = 100;
const rowsOfBatch = 2048;
const bytesOfRow = 1024;

const fields = [new Field("text", new Utf8(), false)];
const schema = new Schema(fields);
const [schemaMessage, batchMessage] = messagesOf(schema, [batch()]);

/** 2 MiB of text. */
function batch(): RecordBatch {
  const text = makeData({
    type: new Utf8(),
    length: rowsOfBatch,
    valueOffsets: Int32Array.from({ length: rowsOfBatch + 1 }, (_, n) => n * bytesOfRow),
    data: Buffer.alloc(rowsOfBatch * bytesOfRow, "flightline"),
  });
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(fields), length: rowsOfBatch, nullCount: 0, children: [text] }),
  );
}

/** 200 MiB, each message in memory of its own, as they come from a socket. */
const long: Script = async function* () {
  assert.ok(schemaMessage !== undefined && batchMessage !== undefined);
  yield schemaMessage;
  for (let n = 0; n < batches; n += 1) {
    await new Promise(setImmediate);
    yield { ...batchMessage, body: Uint8Array.from(batchMessage.body) };
  }
};

/** Of the heap and of buffers outside of it, at its highest during a read. */
async function growthBytes(read: (stream: FlightStream, look: () => void) => Promise<void>): Promise<number> {
  const inUse = (): number => {
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = inUse();
  let highest = before;
  let looks = 0;
  const look = (): void => {
    looks += 1;
    if (looks % 10 === 0) highest = Math.max(highest, inUse());
  };
  await read(clientOn(new ScriptedChannel(long), { timeoutMs: 60_000 }).query({ text: "SELECT 1" }), look);
  assert.equal(looks, batches);
  return highest - before;
}

describe("a stream of 200 MiB takes the memory of a few batches", () => {
  test("by reader()", async () => {
    const growth = await growthBytes(async (stream, look) => {
      const reader = await stream.reader();
      while ((await reader.next()) !== undefined) look();
    });
    assert.ok(growth < 30 * mib, `${growth} bytes`);
  });

  test("by chunks()", async () => {
    const growth = await growthBytes(async (stream, look) => {
      for await (const _ of stream.chunks()) look();
    });
    assert.ok(growth < 30 * mib, `${growth} bytes`);
  });

  test("by rows()", async () => {
    const growth = await growthBytes(async (stream, look) => {
      let rows = 0;
      for await (const _ of stream.rows()) {
        rows += 1;
        if (rows % rowsOfBatch === 0) look();
      }
    });
    assert.ok(growth < 30 * mib, `${growth} bytes`);
  });
});
