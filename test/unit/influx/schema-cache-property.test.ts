/** What holds for the cache of InfluxDB's columns, whatever is claimed, taken and answered. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { SchemaCache, type SchemaLimits } from "../../../src/influx/schema-cache.ts";
import type { ColumnType, TableColumn } from "../../../src/telemetry/column-types.ts";

function cache(limits: Partial<SchemaLimits> = {}, known: Iterable<TableColumn> = []): SchemaCache {
  return new SchemaCache({
    known,
    isPayloadTable: (table) => table.startsWith("telemetry_"),
    limits: { tables: 2000, columnsPerTable: 1000, columns: 100_000, payloadColumns: 200, ...limits },
  });
}

function claim(schema: SchemaCache, columns: Iterable<TableColumn>): void {
  for (const { table, column, type } of columns) schema.columnsOf(table).set(column, type);
}

/** What InfluxDB has at this moment. Whether what was fitted before is stale. */
function learn(schema: SchemaCache, columns: Iterable<TableColumn>): boolean {
  const { version } = schema;
  schema.learn(columns, schema.beginLook());
  return schema.version > version;
}

describe("for any schema and any claims", () => {
  const types = fc.constantFrom<ColumnType>("tag", "float", "integer", "string", "boolean", "time", "other");
  const names = fc.constantFrom("a", "b", "c", "d", "e", "f");
  const tables = fc.constantFrom("telemetry_x", "uplink");
  const columns = fc.array(fc.record({ table: tables, column: names, type: types }), { maxLength: 15 });
  const limits = { payloadColumns: 4 };
  const stateOf = (schema: SchemaCache): [column: string, ColumnType][] =>
    ["telemetry_x", "uplink"].flatMap((table) =>
      [...schema.columnsOf(table)].map(([name, type]): [string, ColumnType] => [`${table} ${name}`, type]),
    );

  test("learning the same again changes nothing and contradicts nothing", () => {
    fc.assert(
      fc.property(columns, columns, (claims, theirs) => {
        const schema = cache(limits);
        claim(schema, claims);
        learn(schema, theirs);
        const [state, version] = [stateOf(schema), schema.version];
        assert.equal(learn(schema, theirs), false);
        assert.deepEqual([stateOf(schema), schema.version], [state, version]);
      }),
    );
  });

  test("what InfluxDB has ends as InfluxDB has it, claimed before or after", () => {
    fc.assert(
      fc.property(columns, columns, (claims, theirs) => {
        const before = cache(limits);
        claim(before, claims);
        learn(before, theirs);
        const after = cache(limits);
        learn(after, theirs);
        // As telemetry claims: what is there is not overwritten.
        claim(
          after,
          claims.filter((each) => !after.columnsOf(each.table).has(each.column)),
        );
        const last = new Map(theirs.map((each) => [`${each.table} ${each.column}`, each]));
        for (const { table: of, column: name, type } of last.values()) {
          assert.equal(before.columnsOf(of).get(name), type);
          assert.equal(after.columnsOf(of).get(name), type);
        }
      }),
    );
  });

  test("the version grows exactly when something that was there has another type or is gone", () => {
    fc.assert(
      fc.property(columns, fc.array(columns, { maxLength: 5 }), (claims, answers) => {
        const schema = cache(limits);
        claim(schema, claims);
        for (const answer of answers) {
          const before = stateOf(schema);
          const isStale = learn(schema, answer);
          const after = new Map(stateOf(schema));
          assert.equal(
            isStale,
            before.some(([name, type]) => after.get(name) !== type),
          );
        }
      }),
    );
  });

  test("the store's copy, fed with what was unsaved, has what InfluxDB has said at last or taken since, and nothing else", () => {
    fc.assert(
      fc.property(columns, columns, columns, columns, (claims, before, during, theirs) => {
        const schema = cache();
        const stored = new Map<string, TableColumn>();
        const save = (): void => {
          const changes = schema.unsaved();
          for (const { table, column, type } of changes) {
            if (type === undefined) stored.delete(`${table} ${column}`);
            else stored.set(`${table} ${column}`, { table, column, type });
          }
          schema.saved(changes);
        };
        claim(schema, claims);
        save();
        schema.confirm(before);
        save();
        const look = schema.beginLook();
        schema.confirm(during);
        schema.learn(theirs, look);
        schema.giveUp(claims);
        save();
        const last = [...during, ...theirs];
        const types = new Map(last.map(({ table, column, type }) => [`${table} ${column}`, type]));
        assert.deepEqual(new Map([...stored].map(([name, { type }]) => [name, type])), types);
        const again = cache({}, stored.values());
        assert.deepEqual(new Map(stateOf(again)), types);
        for (const { table, column } of last) assert.ok(again.isConfirmed(table, column));
      }),
    );
  });
});
