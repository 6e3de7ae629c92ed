/** Small streams to mutate: every Arrow type, the shapes of InfluxDB's answers, dictionaries, compressed bodies. */
import { zstdCompressSync } from "node:zlib";
import * as arrow from "apache-arrow";
import type { IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { batchOf, boolData, bytesData, dictionaryData, fixedData } from "./arrow-data.ts";
import {
  encodedBy,
  forgeBatch,
  forgeDictionary,
  forgeSchema,
  int32,
  utf8,
  type ForgedField,
} from "./arrow-forge.ts";
import { messagesOf } from "./arrow-messages.ts";
import { arrowSamples } from "./arrow-samples.ts";
import { lz4Frames, lz4Text } from "./lz4-frames.ts";

export interface FuzzStream {
  readonly name: string;
  readonly messages: readonly IpcMessage[];
}

const none = new Uint8Array(0);
const startNs = 1_795_334_400_123_456_789n;

function influxBatch(rows: number, tag: (rows: number) => arrow.Data): arrow.RecordBatch {
  const each = <T>(value: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => value(row));
  return batchOf(
    [
      [
        "time",
        fixedData(
          new arrow.TimestampNanosecond(),
          each((row) => startNs + BigInt(row)),
        ),
      ],
      ["room", tag(rows)],
      [
        "temperature",
        fixedData(
          new arrow.Float64(),
          each((row) => (row % 5 === 3 ? null : row / 8)),
        ),
      ],
      [
        "count",
        fixedData(
          new arrow.Int64(),
          each((row) => (row % 7 === 2 ? null : BigInt(row) - 3n)),
        ),
      ],
      [
        "open",
        boolData(
          new arrow.Bool(),
          each((row) => (row % 4 === 1 ? null : row % 3 === 0)),
        ),
      ],
      [
        "note",
        bytesData(
          new arrow.Utf8(),
          each((row) => (row % 3 === 1 ? null : `é${"n".repeat(row)}`)),
        ),
      ],
    ],
    rows,
  );
}

const hydrated = (rows: number): arrow.Data =>
  bytesData(
    new arrow.Utf8(),
    Array.from({ length: rows }, (_, row) => `room ${row % 3}`),
  );
const rooms = [bytesData(new arrow.Utf8(), ["kitchen", "büro", null, "hall"])];
const roomType = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32(), 7);
const encoded = (rows: number): arrow.Data =>
  dictionaryData(
    roomType,
    Array.from({ length: rows }, (_, row) => (row % 6 === 5 ? null : row % 4)),
    rooms,
  );

/** The metadata of InfluxDB's columns stands in the schema. */
const influxSchema = forgeSchema(
  {
    name: "time",
    type: [10, [{ i16: 3 }]],
    metadata: { "iox::column::type": "iox::column_type::timestamp" },
  },
  {
    name: "value",
    type: [3, [{ i16: 2 }]],
    metadata: { "iox::column::type": "iox::column_type::field::float" },
  },
);
const influxRows = forgeBatch({
  length: 3,
  nodes: [
    [3, 0],
    [3, 1],
  ],
  buffers: [none, BigInt64Array.of(1n, 2n, -3n), Uint8Array.of(5), Float64Array.of(1.5, 0, -0)],
});
const keepAlive = forgeBatch({
  length: 0,
  nodes: [
    [0, 0],
    [0, 0],
  ],
  buffers: [none, none, none, none],
});

const tag: ForgedField = { name: "tag", type: utf8, dictionary: encodedBy(1) };

function texts(id: number, isDelta: boolean, ...values: readonly string[]): IpcMessage {
  const bytes = values.map((value) => Buffer.from(value));
  let end = 0;
  const offsets = Int32Array.from([0, ...bytes.map((each) => (end += each.length))]);
  const nodes = [[values.length, 0]] as const;
  return forgeDictionary(
    id,
    { length: values.length, nodes, buffers: [none, offsets, Buffer.concat(bytes)] },
    isDelta,
  );
}

function tags(...indices: readonly number[]): IpcMessage {
  return forgeBatch({
    length: indices.length,
    nodes: [[indices.length, 0]],
    buffers: [none, Int8Array.from(indices)],
  });
}

/** Lists of dictionary indices, in a dictionary. */
const nestedDictionaries: IpcMessage[] = [
  forgeSchema({ type: [12], children: [tag], dictionary: encodedBy(2, 64) }),
  texts(1, false, "one", "zwölf"),
  forgeDictionary(2, {
    length: 2,
    nodes: [
      [2, 0],
      [3, 0],
    ],
    buffers: [none, Int32Array.of(0, 2, 3), none, Int8Array.of(0, 1, 1)],
  }),
  forgeBatch({ length: 3, nodes: [[3, 1]], buffers: [Uint8Array.of(5), BigInt64Array.of(1n, 9n, 0n)] }),
];

const mapsWithBitmaps: IpcMessage[] = [
  forgeSchema({
    type: [17],
    children: [
      {
        type: [13],
        children: [
          { name: "k", type: utf8 },
          { name: "v", type: int32 },
        ],
      },
    ],
  }),
  forgeBatch({
    length: 2,
    nodes: [
      [2, 0],
      [3, 0],
      [3, 0],
      [3, 1],
    ],
    buffers: [
      Uint8Array.of(3),
      Int32Array.of(0, 2, 3),
      Uint8Array.of(7),
      Uint8Array.of(7),
      Int32Array.of(0, 1, 2, 3),
      Buffer.from("abc"),
      Uint8Array.of(5),
      Int32Array.of(1, 2, 3),
    ],
  }),
];

/** With the validity bitmap that unions had. */
const oldUnion: IpcMessage[] = [
  forgeSchema({ type: [14, [{ i16: 0 }, { i32s: [3, 4] }]], children: [{ type: int32 }, { type: utf8 }] }),
  forgeBatch({
    version: 3,
    length: 2,
    nodes: [
      [2, 0],
      [2, 0],
      [2, 0],
    ],
    buffers: [
      none,
      Int8Array.of(3, 4),
      none,
      Int32Array.of(7, 8),
      none,
      Int32Array.of(0, 1, 2),
      Buffer.from("xy"),
    ],
  }),
];

function packed(size: number, bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.alloc(8 + bytes.length);
  buffer.writeBigInt64LE(BigInt(size));
  buffer.set(bytes, 8);
  return buffer;
}

const offsets = Int32Array.from({ length: 11 }, (_, row) => row * 20);
const offsetBytes = new Uint8Array(offsets.buffer);

function compressedStream(
  codec: number,
  numbers: Uint8Array,
  ends: Uint8Array,
  text: Uint8Array,
): IpcMessage[] {
  const batch = forgeBatch({
    length: 10,
    nodes: [
      [10, 0],
      [10, 0],
    ],
    buffers: [none, packed(40, numbers), none, ends, packed(lz4Text.length, text)],
    compression: [{ u8: codec }],
  });
  return [forgeSchema({ name: "n", type: int32 }, { name: "s", type: utf8 }), batch];
}

const zstdStream = compressedStream(
  1,
  zstdCompressSync(new Uint8Array(40)),
  packed(offsetBytes.length, zstdCompressSync(offsetBytes)),
  zstdCompressSync(lz4Text),
);
const asIs = packed(-1, offsetBytes);

export const fuzzStreams: readonly FuzzStream[] = [
  ...arrowSamples.map(({ name, data }) => ({ name, messages: messagesOf([batchOf([["x", data]])]) })),
  { name: "InfluxDB, hydrated", messages: messagesOf([20, 7].map((rows) => influxBatch(rows, hydrated))) },
  {
    name: "InfluxDB, dictionaries",
    messages: messagesOf([20, 0, 9].map((rows) => influxBatch(rows, encoded))),
  },
  { name: "InfluxDB, keep-alives", messages: [influxSchema, keepAlive, influxRows, keepAlive, influxRows] },
  { name: "InfluxDB, zstd", messages: messagesOf([influxBatch(20, hydrated)], { compression: "zstd" }) },
  {
    name: "a dictionary that grows and is replaced",
    messages: [
      forgeSchema(tag),
      texts(1, false, "a", "bb"),
      tags(0, 1),
      texts(1, true, "ccc"),
      tags(2, 1, 0),
      texts(1, false, "x", "y"),
      tags(1, 0),
    ],
  },
  { name: "dictionaries in dictionaries", messages: nestedDictionaries },
  { name: "maps with bitmaps", messages: mapsWithBitmaps },
  { name: "a union of old", messages: oldUnion },
  { name: "LZ4", messages: compressedStream(0, lz4Frames.stored, asIs, lz4Frames.plain) },
  { name: "LZ4 with checksums", messages: compressedStream(0, lz4Frames.stored, asIs, lz4Frames.checksums) },
  { name: "zstd", messages: zstdStream },
  { name: "no columns", messages: [forgeSchema(), forgeBatch({ length: 3, nodes: [], buffers: [] })] },
];
