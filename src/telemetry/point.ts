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
  /**
   * The fields from this index on are named by whoever sent them, a codec or a gateway, who may invent any
   * number of names: the table's size is bounded (`fit.ts`). Without it all names are ours.
   */
  readonly openFrom?: number;
}
