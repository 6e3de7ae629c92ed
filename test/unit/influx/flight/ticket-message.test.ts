import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { decodeFlightData } from "../../../../src/influx/flight/call.ts";
import { FlightDataSchema } from "../../../../src/proto/flight/flight_pb.js";

function encoded(fields: {
  dataHeader?: Uint8Array;
  dataBody?: Uint8Array;
  appMetadata?: Uint8Array;
}): Buffer {
  return Buffer.from(toBinary(FlightDataSchema, create(FlightDataSchema, fields)));
}

test("a message is decoded without a copy: its parts are views of the bytes received", () => {
  const bytes = encoded({
    dataHeader: Buffer.from("header"),
    dataBody: new Uint8Array(100_000).fill(7),
    appMetadata: Buffer.from("app"),
  });
  const { header, body, appMetadata, bytes: count } = decodeFlightData(bytes);
  assert.equal(Buffer.from(header).toString(), "header");
  assert.equal(Buffer.from(appMetadata).toString(), "app");
  assert.equal(body.length, 100_000);
  assert.equal(count, 100_009);
  for (const part of [header, body, appMetadata]) assert.equal(part.buffer, bytes.buffer);
  bytes[body.byteOffset - bytes.byteOffset] = 9;
  assert.equal(body[0], 9);
});

test("fields that are absent are empty, and fields that are not known are skipped", () => {
  assert.equal(decodeFlightData(Buffer.alloc(0)).bytes, 0);
  const unknown = Buffer.from([0x28, 0x01, 0x32, 0x02, 0xff, 0xff]); // 5: varint, 6: two bytes
  const { header } = decodeFlightData(Buffer.concat([unknown, encoded({ dataHeader: Buffer.from("h") })]));
  assert.equal(Buffer.from(header).toString(), "h");
});

test("a length that lies is an error, never a read beyond the message", () => {
  const outside = Buffer.from("secret of another message");
  for (const bytes of [
    [0x12, 0x7f, 0x01],
    [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x12],
    [0x0a, 0xff],
    [0x00],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  ]) {
    const pool = Buffer.concat([Buffer.from(bytes), outside]);
    assert.throws(() => decodeFlightData(pool.subarray(0, bytes.length)), Error, String(bytes));
  }
});

test("whatever the bytes, they decode within themselves or throw an error", () => {
  let decodedCount = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      let parts;
      try {
        parts = decodeFlightData(bytes);
      } catch (error) {
        assert.ok(error instanceof Error);
        return;
      }
      decodedCount += 1;
      assert.ok(parts.bytes <= bytes.length);
    }),
    { numRuns: 2000 },
  );
  assert.ok(decodedCount > 20, `${decodedCount} decoded`);
});
