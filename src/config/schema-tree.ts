/** Questions about the schema at a place of the tree: which keys it knows, what kind of string it is. Pure. */
import { z } from "zod";
import { keyKinds, type KeyKind } from "../lib/schema.ts";
import type { Path } from "./tree.ts";

/** The schema of what the file says, without defaults and transformations; and its kind if it has one. */
function unwrap(schema: unknown): { readonly schema: unknown; readonly kind: KeyKind | undefined } {
  let inner = schema;
  for (;;) {
    const kind = inner instanceof z.ZodType ? keyKinds.get(inner)?.kind : undefined;
    if (kind !== undefined) return { schema: inner, kind };
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      inner = inner.unwrap();
    } else if (inner instanceof z.ZodPipe) {
      inner = inner.in;
    } else {
      return { schema: inner, kind: undefined };
    }
  }
}

function at(root: z.ZodType, path: Path): ReturnType<typeof unwrap> {
  let found = unwrap(root);
  for (const step of path) {
    const { schema } = found;
    if (schema instanceof z.ZodObject && typeof step === "string" && Object.hasOwn(schema.shape, step)) {
      found = unwrap((schema.shape as Record<string, unknown>)[step]);
    } else if (schema instanceof z.ZodArray && typeof step === "number") {
      found = unwrap(schema.element);
    } else if (schema instanceof z.ZodRecord && typeof step === "string") {
      found = unwrap(schema.valueType);
    } else {
      return { schema: undefined, kind: undefined };
    }
  }
  return found;
}

export function kindAt(root: z.ZodType, path: Path): KeyKind | undefined {
  return at(root, path).kind;
}

/** The keys that a table at this place may have; empty where it is no table with fixed keys. */
export function knownKeys(root: z.ZodType, path: Path): readonly string[] {
  const { schema } = at(root, path);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** What stands at a place: a table, an array of tables, or a value. */
export function shapeAt(root: z.ZodType, path: Path): "table" | "tables" | "value" {
  const isTable = (schema: unknown): boolean =>
    schema instanceof z.ZodObject || schema instanceof z.ZodRecord;
  const { schema } = at(root, path);
  if (isTable(schema)) return "table";
  return schema instanceof z.ZodArray && isTable(at(root, [...path, 0]).schema) ? "tables" : "value";
}

/** Every key with its path, as the schema has them; 0 stands for any element of an array. */
export function allKeyPaths(root: z.ZodType, path: Path = []): Path[] {
  const { schema } = at(root, path);
  if (schema instanceof z.ZodArray) return allKeyPaths(root, [...path, 0]);
  return knownKeys(root, path).flatMap((key) => [[...path, key], ...allKeyPaths(root, [...path, key])]);
}
