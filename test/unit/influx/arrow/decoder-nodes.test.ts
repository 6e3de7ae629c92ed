/** What a batch can lie about in its nodes and buffers: each is a fault that says what. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { forgeBatch, type ForgedBatch, forgeSchema, int32 } from "../../../support/arrow-forge.ts";
import { assertHeld, assertMalformed, decodeStream } from "../../../support/arrow-refusals.ts";

const none = new Uint8Array(0);

function int32s(...values: readonly number[]): Int32Array {
  return Int32Array.from(values);
}

const twoInts: ForgedBatch = { length: 2, nodes: [[2, 0]], buffers: [none, Int32Array.of(1, 2)] };

describe("the nodes and buffers of a batch", () => {
  test("are as many as the schema asks for", () => {
    assertHeld({ type: int32 }, twoInts, [
      [/fewer nodes/, { nodes: [] }],
      [
        /more nodes/,
        {
          nodes: [
            [2, 0],
            [2, 0],
          ],
        },
      ],
      [/fewer buffers/, { buffers: [none] }],
      [/more buffers/, { buffers: [none, int32s(1, 2), none] }],
      [/more counts/, { variadicBufferCounts: [0] }],
    ]);
  });

  test("lie inside the body, at multiples of 8, one behind the other", () => {
    assertHeld({ type: int32 }, twoInts, [
      [
        /does not lie in its body/,
        {
          regions: [
            [0, 0],
            [0, 16],
          ],
        },
      ],
      [
        /does not lie in its body/,
        {
          regions: [
            [0, 0],
            [8, 8],
          ],
        },
      ],
      [
        /does not lie in its body/,
        {
          regions: [
            [0, 0],
            [-8, 8],
          ],
        },
      ],
      [
        /does not lie in its body/,
        {
          regions: [
            [0, 0],
            [0, -8],
          ],
        },
      ],
      [
        /does not lie in its body/,
        {
          regions: [
            [0, 0],
            [2 ** 52, 8],
          ],
        },
      ],
      [
        /beyond all measure/,
        {
          regions: [
            [0, 0],
            [2n ** 62n, 8],
          ],
        },
      ],
      [
        /no multiple of 8/,
        {
          buffers: [none, int32s(1, 2, 3)],
          regions: [
            [0, 0],
            [4, 8],
          ],
        },
      ],
      [/does not lie in its body of 0 bytes/, { bodyLength: 0 }],
    ]);
    const nullable = { length: 2, nodes: [[2, 1]], buffers: [Uint8Array.of(1), int32s(1, 2)] } as const;
    assertHeld({ type: int32 }, nullable, [
      [
        /before the end of the one before it/,
        {
          regions: [
            [8, 8],
            [0, 8],
          ],
        },
      ],
    ]);
  });

  test("are as long as the batch says", () => {
    assertHeld({ type: int32 }, twoInts, [
      [/2 values in a batch of 1 rows/, { length: 1 }],
      [/2 values in a batch of 3 rows/, { length: 3 }],
      [/negative length/, { length: -1 }],
      [/column of -1 values/, { nodes: [[-1, 0]] }],
      [/column of 2147483648 values/, { nodes: [[2 ** 31, 0]] }],
      [/buffer of 8 bytes where it takes 12/, { nodes: [[3, 0]], length: 3 }],
    ]);
  });

  test("have as many nulls as they say", () => {
    const nullable = {
      length: 9,
      nodes: [[9, 3]],
      buffers: [Uint8Array.of(0b1111_1100, 0b0), int32s(...Array.from({ length: 9 }, () => 0))],
    } as const;
    assertHeld({ type: int32 }, nullable, [
      [/-1 nulls/, { nodes: [[9, -1]] }],
      [/10 nulls in 9 values/, { nodes: [[9, 10]] }],
      [/not as many nulls/, { nodes: [[9, 2]] }],
      [/not as many nulls/, { nodes: [[9, 0]] }],
      [/does not say where/, { buffers: [none, nullable.buffers[1]] }],
      [/1 bytes where it takes 2/, { buffers: [Uint8Array.of(0), nullable.buffers[1]] }],
    ]);
  });

  test("claim no more rows than a walk over them can bear, where rows take no bytes", () => {
    const rows = 2 ** 20 + 1;
    assertMalformed(/take no bytes/, forgeSchema(), forgeBatch({ length: rows, nodes: [], buffers: [] }));
    assertMalformed(
      /take no bytes/,
      forgeSchema({ type: [1] }),
      forgeBatch({ length: rows, nodes: [[rows, rows]], buffers: [] }),
    );
    assertMalformed(
      /take no bytes/,
      forgeSchema({ type: [13] }),
      forgeBatch({ length: rows, nodes: [[rows, 0]], buffers: [none] }),
    );
    assertMalformed(
      /take no bytes/,
      forgeSchema({ type: [15, [{ i32: 0 }]] }),
      forgeBatch({ length: rows, nodes: [[rows, 0]], buffers: [none, none] }),
    );
    const empty = forgeSchema({ type: [16, [{ i32: 0 }]], children: [{ type: int32 }] });
    assertMalformed(
      /take no bytes/,
      empty,
      forgeBatch({
        length: rows,
        nodes: [
          [rows, 0],
          [0, 0],
        ],
        buffers: [none, none, none],
      }),
    );
    assert.equal(
      decodeStream(forgeSchema(), forgeBatch({ length: 5, nodes: [], buffers: [] }))?.kind,
      "batch",
    );
  });
});
