import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptSchemas } from "../../../src/app/schemas.ts";
import { Fault } from "../../../src/lib/fault.ts";
import type { TableColumn } from "../../../src/telemetry/column-types.ts";

const url = "http://127.0.0.1:8181";
const temperature: TableColumn = { table: "telemetry_em300", column: "temperature", type: "float" };

class ScriptedStore {
  readonly saves: [key: string, columns: readonly TableColumn[]][] = [];
  fault: Fault | undefined;

  load(key: string): TableColumn[] {
    return key === `${url} farm` ? [{ table: "uplink", column: "rssi", type: "integer" }] : [];
  }

  save(key: string, columns: readonly TableColumn[]): Fault | undefined {
    this.saves.push([key, columns]);
    return this.fault;
  }
}

test("two destinations in one database share what is known and what is claimed; another database has its own", () => {
  const schemas = new KeptSchemas(new ScriptedStore(), []);
  const [first, second] = [schemas.of({ url, database: "farm" }), schemas.of({ url, database: "farm" })];
  first.cache.columnsOf("telemetry_em300").set("temperature", "float");
  assert.equal(second.cache.columnsOf("telemetry_em300").get("temperature"), "float");
  assert.ok(second.cache.isConfirmed("uplink", "rssi"));
  first.cache.giveUp([temperature]);
  assert.equal(second.cache.version, 1, "lines of both are stale");
  const barn = schemas.of({ url, database: "barn" });
  assert.deepEqual([barn.cache.version, barn.cache.columnsOf("uplink").size], [0, 0]);
});

test("what could not be saved is saved the next time, and then not again", () => {
  const store = new ScriptedStore();
  const schema = new KeptSchemas(store, []).of({ url, database: "farm" });
  schema.cache.confirm([temperature]);
  store.fault = new Fault({
    code: "schema_unsaved",
    layer: "journal",
    disposition: "drop",
    message: "no room",
  });
  assert.equal(schema.save(), store.fault);
  store.fault = undefined;
  assert.equal(schema.save(), undefined);
  assert.equal(schema.save(), undefined);
  const key = `${url} farm`;
  assert.deepEqual(store.saves, [
    [key, [temperature]],
    [key, [temperature]],
    [key, []],
  ]);
});

test("tables of profiles are limited like those with the prefix", () => {
  const { cache } = new KeptSchemas(new ScriptedStore(), ["climate"]).of({ url, database: "farm" });
  const many = (table: string): TableColumn[] =>
    Array.from({ length: 300 }, (_, n) => ({ table, column: `c${n}`, type: "float" }));
  for (const table of ["climate", "telemetry_em300", "uplink"]) {
    cache.columnsOf(table).set("claimed", "float");
    cache.learn(many(table), cache.beginLook());
  }
  const hasKept = ["climate", "telemetry_em300", "uplink"].map((table) =>
    cache.columnsOf(table).has("claimed"),
  );
  assert.deepEqual(hasKept, [false, false, true]);
});
