/** What a message and a schema can lie about: each is a fault that says what. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { IpcMessage } from "../../../../src/influx/arrow/decoder.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import {
  encodedBy,
  forgeBatch,
  type ForgedBatch,
  type ForgedField,
  forgeMessage,
  forgeSchema,
  int32,
  int64,
  utf8,
} from "../../../support/arrow-forge.ts";
import { assertMalformed, decodeStream } from "../../../support/arrow-refusals.ts";
import { writeFlatbuffer } from "../../../support/flatbuffer-writer.ts";

const none = new Uint8Array(0);

const twoInts: ForgedBatch = { length: 2, nodes: [[2, 0]], buffers: [none, Int32Array.of(1, 2)] };

describe("the message", () => {
  test("of no bytes, of no header, of an unknown kind, of an old version", () => {
    assertMalformed(/outside of itself/, { header: none, body: none });
    assertMalformed(/no header/, { header: writeFlatbuffer([{ i16: 4 }, { u8: 1 }]), body: none });
    assertMalformed(/unknown kind 9/, forgeMessage(9, []));
    assertMalformed(/unknown kind 0/, forgeMessage(0, []));
    assertMalformed(/version number 2/, forgeMessage(1, [], none, { version: 2 }));
    assertMalformed(/version number 5/, forgeMessage(1, [], none, { version: 5 }));
  });

  test("whose body is shorter than it says, or of negative length", () => {
    assertMalformed(
      /body of 8 bytes and says 16/,
      forgeSchema({ type: int32 }),
      forgeBatch({ ...twoInts, bodyLength: 16 }),
    );
    assertMalformed(
      /negative length/,
      forgeSchema({ type: int32 }),
      forgeBatch({ ...twoInts, bodyLength: -1 }),
    );
  });

  test("that comes before the schema", () => {
    assertMalformed(/does not begin with its schema/, forgeBatch(twoInts));
  });

  test("that carries a tensor is not supported", () => {
    assert.throws(() => decodeStream(forgeMessage(4, [])), { code: "flight_unsupported_type" });
    assert.throws(() => decodeStream(forgeMessage(5, [])), { code: "flight_unsupported_type" });
  });
});

describe("the schema", () => {
  test("comes again: the same is passed over, another one is a fault", () => {
    const again = decodeStream(forgeSchema({ type: int32 }), forgeSchema({ type: int32 }));
    assert.equal(again?.kind, "schema");
    for (const other of [
      { type: int64 },
      { type: int32, name: "y" },
      { type: int32, metadata: { a: "b" } },
    ]) {
      assert.throws(() => decodeStream(forgeSchema({ type: int32 }), forgeSchema(other)), {
        code: "flight_schema_changed",
      });
    }
  });

  test("comes again with indices of another width: a fault, though rows of both look alike", () => {
    const encoded = (bits: number): IpcMessage => forgeSchema({ type: utf8, dictionary: encodedBy(1, bits) });
    assert.equal(decodeStream(encoded(64), encoded(64))?.kind, "schema");
    assert.throws(() => decodeStream(encoded(32), encoded(64)), { code: "flight_schema_changed" });
  });

  test("has types that this client cannot read: the fault names column and type", () => {
    const unsupported: [number, string][] = [
      [22, "RunEndEncoded"],
      [25, "ListView"],
      [26, "LargeListView"],
      [27, "number 27"],
    ];
    for (const [number, name] of unsupported) {
      assert.throws(
        () =>
          decodeStream(
            forgeSchema({ type: [13], name: "outer", children: [{ name: "in\nner", type: [number] }] }),
          ),
        (error) =>
          error instanceof Fault &&
          error.code === "flight_unsupported_type" &&
          error.message.includes(`column "outer.in ner" is of the Arrow type ${name}`),
      );
    }
    assert.throws(() => decodeStream(forgeMessage(1, [{ i16: 1 }])), { code: "flight_unsupported_type" });
    assert.throws(
      () =>
        decodeStream(forgeSchema({ type: utf8, dictionary: [{ i64: 1 }, undefined, undefined, { i16: 1 }] })),
      { code: "flight_unsupported_type" },
    );
  });

  const child = { type: int32 };
  const wrong: [string, ForgedField, RegExp][] = [
    ["no type at all", { type: [0] }, /has no type/],
    ["integers of 24 bits", { type: [2, [{ i32: 24 }]] }, /24 bits/],
    ["floats of an unknown precision", { type: [3, [{ i16: 3 }]] }, /unknown parameter 3/],
    ["decimals of 100 bits", { type: [7, [{ i32: 5 }, { i32: 1 }, { i32: 100 }]] }, /unknown parameter 100/],
    ["decimals of more digits than fit", { type: [7, [{ i32: 39 }, { i32: 1 }, { i32: 128 }]] }, /39 digits/],
    ["decimals of no digits", { type: [7, []] }, /0 digits/],
    ["dates in an unknown unit", { type: [8, [{ i16: 2 }]] }, /unknown parameter 2/],
    ["times of nanoseconds in 32 bits", { type: [9, [{ i16: 3 }, { i32: 32 }]] }, /unknown parameter 32/],
    ["times of seconds in 64 bits", { type: [9, [{ i16: 0 }, { i32: 64 }]] }, /unknown parameter 64/],
    ["timestamps in an unknown unit", { type: [10, [{ i16: 4 }]] }, /unknown parameter 4/],
    ["intervals in an unknown unit", { type: [11, [{ i16: 3 }]] }, /unknown parameter 3/],
    ["durations in an unknown unit", { type: [18, [{ i16: -1 }]] }, /unknown parameter -1/],
    ["values of negative width", { type: [15, [{ i32: -1 }]] }, /-1 bytes/],
    ["lists of negative length", { type: [16, [{ i32: -1 }]], children: [child] }, /-1 values/],
    ["lists of nothing", { type: [12] }, /0 children/],
    ["lists of two types", { type: [12], children: [child, child] }, /2 children/],
    ["integers with children", { type: int32, children: [child] }, /1 children/],
    ["maps of no pairs", { type: [17], children: [child] }, /not pairs/],
    [
      "maps of triples",
      { type: [17], children: [{ type: [13], children: [child, child, child] }] },
      /not pairs/,
    ],
    ["unions of an unknown mode", { type: [14, [{ i16: 2 }]] }, /unknown parameter 2/],
    [
      "unions with too few ids",
      { type: [14, [{ i16: 0 }, { i32s: [0] }]], children: [child, child] },
      /do not fit/,
    ],
    [
      "unions with one id twice",
      { type: [14, [{ i16: 0 }, { i32s: [1, 1] }]], children: [child, child] },
      /do not fit/,
    ],
    [
      "unions with an id that fits no byte",
      { type: [14, [{ i16: 0 }, { i32s: [128] }]], children: [child] },
      /0–127/,
    ],
    ["indices of 24 bits", { type: utf8, dictionary: encodedBy(1, 24) }, /24 bits/],
    ["a name that is not UTF-8", { type: int32, name: Uint8Array.of(0xff) }, /not UTF-8/],
  ];
  for (const [what, field, said] of wrong) {
    test(`has ${what}`, () => {
      assertMalformed(said, forgeSchema(field));
    });
  }

  test("has a field without a type", () => {
    assertMalformed(
      /has no type/,
      forgeMessage(1, [undefined, { tables: [[{ text: "x" }, undefined, { u8: 2 }]] }]),
    );
  });

  test("is nested deeper than anybody means it", () => {
    const nested = (depth: number): ForgedField =>
      depth === 0 ? child : { type: [12], children: [nested(depth - 1)] };
    assert.equal(decodeStream(forgeSchema(nested(63)))?.kind, "schema");
    assertMalformed(/more than 64 deep/, forgeSchema(nested(64)));
  });
});
