/** What a column is and what its rows have to be. */
import type { Data, DataType } from "apache-arrow";
import type { Value } from "../../src/influx/arrow/rows.ts";

export interface ArrowSample {
  readonly name: string;
  readonly type: DataType;
  readonly data: Data;
  /** With times: "ns". */
  readonly expected: readonly Value[];
  /** With times: "iso". */
  readonly expectedIso: readonly Value[];
}

export function sample(
  name: string,
  data: Data,
  expected: readonly Value[],
  expectedIso = expected,
): ArrowSample {
  return { name, type: data.type, data, expected, expectedIso };
}

export function nameOf(type: { toString(): string }): string {
  return type.toString();
}
