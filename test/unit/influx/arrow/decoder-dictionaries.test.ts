/** Dictionaries: a batch has the values that held when it came, and never a null for a value that is missing. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ArrowDecoder, type IpcMessage } from "../../../../src/influx/arrow/decoder.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import {
  encodedBy,
  forgeBatch,
  forgeDictionary,
  forgeSchema,
  int32,
  utf8,
} from "../../../support/arrow-forge.ts";

const none = new Uint8Array(0);
const schema = forgeSchema({ type: utf8, dictionary: encodedBy(1) });

function texts(...values: readonly string[]): Parameters<typeof forgeDictionary>[1] {
  const offsets = [0];
  for (const value of values) offsets.push((offsets.at(-1) ?? 0) + Buffer.byteLength(value));
  const buffers = [none, Int32Array.from(offsets), Buffer.from(values.join(""))];
  return { length: values.length, nodes: [[values.length, 0]], buffers };
}

/** A batch of indices, -1 for a null that has garbage in its place. */
function indices(...values: readonly number[]): IpcMessage {
  const valid = values.reduce((bits, value, i) => (value < 0 ? bits : bits | (1 << i)), 0);
  const nulls = values.filter((value) => value < 0).length;
  const buffers = [
    nulls > 0 ? Uint8Array.of(valid) : none,
    Int8Array.from(values, (value) => (value < 0 ? 99 : value)),
  ];
  return forgeBatch({ length: values.length, nodes: [[values.length, nulls]], buffers });
}

/** The values of every batch, looked up only when all messages have come. */
function decode(...messages: readonly IpcMessage[]): unknown[] {
  const decoder = new ArrowDecoder();
  const batches = messages
    .map((message) => decoder.decode(message))
    .flatMap((each) => (each.kind === "batch" ? [each.batch] : []));
  return batches.map((batch) => [...(batch.getChildAt(0) ?? [])] as unknown);
}

function refuses(what: RegExp, action: () => unknown): void {
  assert.throws(
    action,
    (error) => error instanceof Fault && error.code === "flight_bad_stream" && what.test(error.message),
  );
}

describe("a batch has the values that held when it came", () => {
  test("of a plain dictionary", () => {
    assert.deepEqual(decode(schema, forgeDictionary(1, texts("a", "ö")), indices(1, 0, -1)), [
      ["ö", "a", null],
    ]);
  });

  test("of one that was extended, again and again", () => {
    const messages = [
      forgeDictionary(1, texts("a")),
      indices(0),
      forgeDictionary(1, texts("b"), true),
      indices(1, 0),
      forgeDictionary(1, texts(), true),
      forgeDictionary(1, texts("c", "d"), true),
      indices(3, 2, 1, 0),
    ];
    assert.deepEqual(decode(schema, ...messages), [["a"], ["b", "a"], ["d", "c", "b", "a"]]);
  });

  test("of one that was empty and then extended", () => {
    assert.deepEqual(
      decode(schema, forgeDictionary(1, texts()), forgeDictionary(1, texts("a"), true), indices(0)),
      [["a"]],
    );
  });

  test("of one that was replaced, before and after", () => {
    const messages = [
      forgeDictionary(1, texts("a", "b")),
      indices(0, 1),
      forgeDictionary(1, texts("y", "z")),
      indices(0, 1),
    ];
    assert.deepEqual(decode(schema, ...messages), [
      ["a", "b"],
      ["y", "z"],
    ]);
  });

  test("of one that two columns share", () => {
    const twice = forgeSchema(
      { name: "x", type: utf8, dictionary: encodedBy(1) },
      { name: "y", type: utf8, dictionary: encodedBy(1, 16) },
    );
    const decoder = new ArrowDecoder();
    decoder.decode(twice);
    decoder.decode(forgeDictionary(1, texts("a", "b")));
    const decoded = decoder.decode(
      forgeBatch({
        length: 1,
        nodes: [
          [1, 0],
          [1, 0],
        ],
        buffers: [none, Int8Array.of(1), none, Int16Array.of(0)],
      }),
    );
    assert.deepEqual(
      decoded.kind === "batch" && [0, 1].map((i) => decoded.batch.getChildAt(i)?.get(0) as unknown),
      ["b", "a"],
    );
    assert.equal(decoded.kind === "batch" && decoded.batch.dictionaries.size, 1);
  });

  test("of one inside another", () => {
    const nested = forgeSchema({
      type: [13],
      children: [{ name: "k", type: utf8, dictionary: encodedBy(1) }],
      dictionary: encodedBy(2),
    });
    const outer = {
      length: 2,
      nodes: [
        [2, 0],
        [2, 0],
      ],
      buffers: [none, none, Int8Array.of(1, 0)],
    } as const;
    const [rows] = decode(
      nested,
      forgeDictionary(1, texts("a", "b")),
      forgeDictionary(2, outer),
      indices(0, 1, 1),
    ) as { k: string }[][];
    assert.deepEqual(
      rows?.map(({ k }) => k),
      ["b", "a", "a"],
    );
  });

  for (const bits of [8, 16, 32, 64]) {
    for (const signed of [true, false]) {
      test(`with indices of ${bits} bits, ${signed ? "signed" : "unsigned"}`, () => {
        const encoding = [{ i64: 1 }, { table: [{ i32: bits }, { bool: signed }] }];
        const values = new Uint8Array((3 * bits) / 8);
        values[0] = 1;
        values[bits / 8] = 2;
        values[bits / 4] = 99;
        const batch = forgeBatch({ length: 3, nodes: [[3, 1]], buffers: [Uint8Array.of(0b011), values] });
        const of = forgeSchema({ type: utf8, dictionary: encoding });
        assert.deepEqual(decode(of, forgeDictionary(1, texts("a", "b", "c")), batch), [["b", "c", null]]);
        values[bits / 4 - 1] = 0x80;
        const high = forgeBatch({ length: 3, nodes: [[3, 1]], buffers: [Uint8Array.of(0b011), values] });
        refuses(/not in its dictionary/, () => decode(of, forgeDictionary(1, texts("a", "b", "c")), high));
      });
    }
  }

  test("with indices of 32 bits where the schema does not say", () => {
    const batch = forgeBatch({ length: 1, nodes: [[1, 0]], buffers: [none, Int32Array.of(1)] });
    assert.deepEqual(
      decode(
        forgeSchema({ type: utf8, dictionary: [{ i64: 1 }] }),
        forgeDictionary(1, texts("a", "b")),
        batch,
      ),
      [["b"]],
    );
  });
});

describe("a value that is missing is a fault", () => {
  test("because its dictionary has not come", () => {
    refuses(/its dictionary has not come/, () => decode(schema, indices(0)));
    refuses(/its dictionary has not come/, () => decode(schema, indices(-1, 0)));
  });

  test("but a batch that looks nothing up needs none: of no rows, or of nulls", () => {
    assert.deepEqual(decode(schema, indices(), indices(-1, -1)), [[], [null, null]]);
    const lists = forgeSchema({
      type: [12],
      children: [{ type: utf8, dictionary: encodedBy(1) }],
      dictionary: encodedBy(2),
    });
    assert.deepEqual(decode(lists, indices(-1)), [[null]]);
  });

  test("because its index lies behind the end or before the beginning", () => {
    const ab = forgeDictionary(1, texts("a", "b"));
    refuses(/value 1 is not in its dictionary of 2 values/, () => decode(schema, ab, indices(0, 2)));
    const negative = forgeBatch({ length: 1, nodes: [[1, 0]], buffers: [none, Int8Array.of(-1)] });
    refuses(/value 0 is not in its dictionary of 2 values/, () => decode(schema, ab, negative));
    refuses(/not in its dictionary of 1 values/, () =>
      decode(schema, ab, forgeDictionary(1, texts("a")), indices(1)),
    );
  });
});

describe("a dictionary that does not fit is a fault", () => {
  test("of an id that the schema does not know", () => {
    refuses(/dictionary 2, which the schema does not know/, () =>
      decode(schema, forgeDictionary(2, texts("a"))),
    );
    refuses(/does not begin with its schema/, () => decode(forgeDictionary(1, texts("a"))));
  });

  test("that extends what has not come", () => {
    refuses(/extends the dictionary 1, which has not come/, () =>
      decode(schema, forgeDictionary(1, texts("a"), true)),
    );
  });

  test("of another length than its values, with too much in it, or without values", () => {
    refuses(/dictionary 1 is of another length/, () =>
      decode(schema, forgeDictionary(1, { ...texts("a"), length: 2 })),
    );
    refuses(/more nodes/, () =>
      decode(
        schema,
        forgeDictionary(1, {
          ...texts("a"),
          nodes: [
            [1, 0],
            [1, 0],
          ],
        }),
      ),
    );
  });

  test("that grows without end, in steps of next to nothing", () => {
    const decoder = new ArrowDecoder();
    decoder.decode(schema);
    decoder.decode(forgeDictionary(1, texts("a")));
    const step = forgeDictionary(1, texts("b"), true);
    const grow = (): void => {
      for (let i = 0; i < 20_000; i += 1) decoder.decode(step);
    };
    assert.throws(grow, { code: "flight_result_too_big" });
  });

  test("of two types for one id", () => {
    refuses(/share a dictionary/, () =>
      decode(
        forgeSchema({ type: utf8, dictionary: encodedBy(1) }, { type: int32, dictionary: encodedBy(1) }),
      ),
    );
  });
});
