/** A row for InfluxDB, before it is text. */

export type Field =
  | { readonly name: string; readonly type: "float" | "integer"; readonly value: number }
  | { readonly name: string; readonly type: "string"; readonly value: string }
  | { readonly name: string; readonly type: "boolean"; readonly value: boolean };

export interface Tag {
  readonly name: string;
  readonly value: string;
}

export interface Point {
  readonly table: string;
  /** In the order that the table has them: InfluxDB 3 fixes it at the first write. */
  readonly tags: readonly Tag[];
  readonly fields: readonly Field[];
  readonly timeNs: bigint;
  /** Its columns come from a codec, which may invent any number of them: the table's size is bounded. */
  readonly isPayload?: true;
}
