/** What a line of line protocol says, once it is understood, in the stand-in's own words. */

export type FieldType = "float" | "integer" | "uinteger" | "string" | "boolean";

/** A field's value; 64-bit integers are BigInt so that none is rounded. */
export type FieldValue =
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "integer" | "uinteger"; readonly value: bigint }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "boolean"; readonly value: boolean };

export type Field = FieldValue & { readonly name: string };

export interface Tag {
  readonly name: string;
  readonly value: string;
}

export interface ParsedPoint {
  readonly table: string;
  readonly tags: readonly Tag[];
  readonly fields: readonly Field[];
  readonly timeNs: bigint;
}
