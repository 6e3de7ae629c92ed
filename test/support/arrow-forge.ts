/** IPC messages made by hand, as the Arrow format has them and as it has them not. */
import type { IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { writeFlatbuffer, type Slot, type TableSlots } from "./flatbuffer-writer.ts";

export interface ForgedField {
  readonly name?: string | Uint8Array;
  /** The number of the type in Schema.fbs and the slots of its table. */
  readonly type: readonly [number: number, slots?: TableSlots];
  readonly children?: readonly ForgedField[];
  readonly dictionary?: TableSlots;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface ForgedBatch {
  readonly length: number | bigint;
  /** Length and null count of each node. */
  readonly nodes: readonly (readonly [length: number | bigint, nullCount: number | bigint])[];
  /** The buffers, laid out as they should be; `regions` says otherwise in the header. */
  readonly buffers: readonly ArrayBufferView[];
  readonly regions?: readonly (readonly [offset: number | bigint, length: number | bigint])[];
  readonly variadicBufferCounts?: readonly number[];
  readonly compression?: TableSlots;
  readonly bodyLength?: number | bigint;
  readonly version?: number;
}

export const int32: ForgedField["type"] = [2, [{ i32: 32 }, { bool: true }]];
export const int64: ForgedField["type"] = [2, [{ i32: 64 }, { bool: true }]];
export const utf8: ForgedField["type"] = [5, []];

const version5 = 4;

export function forgeMessage(
  kind: number,
  header: TableSlots,
  body: Uint8Array = new Uint8Array(0),
  rest: { bodyLength?: number | bigint; version?: number } = {},
): IpcMessage {
  const { bodyLength = body.length, version = version5 } = rest;
  return {
    header: writeFlatbuffer([{ i16: version }, { u8: kind }, { table: header }, { i64: bodyLength }]),
    body,
  };
}

export function forgeSchema(...fields: readonly ForgedField[]): IpcMessage {
  return forgeMessage(1, [undefined, { tables: fields.map((field) => forgeField(field)) }]);
}

function forgeField({ name = "x", type, children = [], dictionary, metadata = {} }: ForgedField): TableSlots {
  const pairs = Object.entries(metadata).map(([key, value]): TableSlots => [{ text: key }, { text: value }]);
  return [
    { text: name },
    { bool: true },
    { u8: type[0] },
    { table: type[1] ?? [] },
    dictionary && { table: dictionary },
    { tables: children.map((child) => forgeField(child)) },
    { tables: pairs },
  ];
}

/** DictionaryEncoding: its id and the bits of its indices. */
export function encodedBy(id: number, bits = 8): TableSlots {
  return [{ i64: id }, { table: [{ i32: bits }, { bool: true }] }];
}

export function forgeBatch(batch: ForgedBatch): IpcMessage {
  const { header, body } = forgeRecordBatch(batch);
  return forgeMessage(3, header, body, batch);
}

export function forgeDictionary(id: number, batch: ForgedBatch, isDelta = false): IpcMessage {
  const { header, body } = forgeRecordBatch(batch);
  return forgeMessage(2, [{ i64: id }, { table: header }, { bool: isDelta }], body, batch);
}

function forgeRecordBatch({
  length,
  nodes,
  buffers,
  regions,
  variadicBufferCounts,
  compression,
}: ForgedBatch): { header: TableSlots; body: Uint8Array } {
  const { body, layout } = laidOut(buffers);
  const counts: Slot = variadicBufferCounts && { i64s: variadicBufferCounts };
  return {
    body,
    header: [
      { i64: length },
      { i64s: nodes.flat(), perElement: 2 },
      { i64s: (regions ?? layout).flat(), perElement: 2 },
      compression && { table: compression },
      counts,
    ],
  };
}

function laidOut(buffers: readonly ArrayBufferView[]): { body: Uint8Array; layout: [number, number][] } {
  const layout: [number, number][] = [];
  let end = 0;
  for (const { byteLength } of buffers) {
    layout.push([end, byteLength]);
    end += Math.ceil(byteLength / 8) * 8;
  }
  const body = new Uint8Array(end);
  for (const [index, { buffer, byteOffset, byteLength }] of buffers.entries()) {
    body.set(new Uint8Array(buffer, byteOffset, byteLength), layout[index]?.[0]);
  }
  return { body, layout };
}
