/** A forwarder before a database that has types of its own, and refuses lines of other types as InfluxDB does. */
import type { TestContext } from "node:test";
import { keepSchema } from "../../../src/pipeline/schema-keeper.ts";
import type { ColumnType, TableColumn } from "../../../src/telemetry/column-types.ts";
import { MemorySchema, ScriptedReader } from "../../support/fakes/schema.ts";
import { delivered, refusedBatch, type Answer, type Write } from "../../support/fakes/scripted-writer.ts";
import { Bench } from "./forward-bench.ts";

export const telemetry = "telemetry_em300_th";

function typeOf(value: string): ColumnType {
  if (value.startsWith('"')) return "string";
  if (value.endsWith("i")) return "integer";
  return /^\d/.test(value) ? "float" : "boolean";
}

/** Columns of the payload's rows. */
function fieldsIn(lines: string): [name: string, type: ColumnType][] {
  return lines
    .split("\n")
    .filter((line) => line.startsWith(`${telemetry},`))
    .flatMap((line) => [...line.slice(line.indexOf(" ")).matchAll(/[ ,](\w+)=("[^"]*"|[^, ]+)/g)])
    .map(([, name = "", value = ""]) => [name, typeOf(value)]);
}

export function withDatabase(t: TestContext) {
  const bench = new Bench(t);
  const reader = new ScriptedReader(bench.time);
  const schema = new MemorySchema();
  bench.schema = keepSchema({
    reader,
    cache: schema,
    clock: bench.time,
    report: (fault) => {
      bench.logger.fault(fault);
    },
    activity: bench.activity,
  });
  const types = new Map<string, ColumnType>();
  reader.answer = () => ({
    kind: "read",
    columns: [...types].map(([column, type]): TableColumn => ({ table: telemetry, column, type })),
  });
  const judge = ({ lines }: Write): Answer => {
    const after = new Map(types);
    for (const [name, type] of fieldsIn(lines)) {
      if ((after.get(name) ?? type) !== type) return refusedBatch;
      after.set(name, type);
    }
    for (const [name, type] of after) types.set(name, type);
    return delivered;
  };
  bench.writer.answer = judge;
  const refusals = (): number => bench.writer.writes.length - bench.counters.batches;
  return { bench, reader, schema, types, judge, refusals };
}
