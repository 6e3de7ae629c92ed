import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type Database from "better-sqlite3";
import { openDatabase } from "../../../src/sqlite/database.ts";
import { SchemaStore } from "../../../src/state/schema-store.ts";
import { stateTables } from "../../../src/state/schema.ts";
import type { ColumnType, TableColumn } from "../../../src/telemetry/column-types.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-schema-store-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function open(t: TestContext, dir: string): Database.Database {
  const database = openDatabase({
    file: join(dir, "state.db"),
    schema: stateTables,
    synchronous: "FULL",
    nowMs: 0,
    use: (opened) => opened,
  });
  t.after(() => {
    database.close();
  });
  return database;
}

function column(name: string, type: ColumnType, table = "uplink"): TableColumn {
  return { table, column: name, type };
}

const farm = "http://127.0.0.1:8181 farm";
const barn = "http://127.0.0.1:8181 barn";

test("what was saved is there after a restart, every type of it", (t) => {
  const dir = folder(t);
  const types: ColumnType[] = ["tag", "float", "integer", "unsigned", "string", "boolean", "time", "other"];
  const columns = [...types.map((type) => column(`a_${type}`, type)), column("Größe 'x'", "float", "tëst")];
  const first = open(t, dir);
  assert.equal(new SchemaStore(first, () => undefined).save(farm, columns), undefined);
  first.close();
  const store = new SchemaStore(open(t, dir), () => undefined);
  assert.deepEqual(new Set(store.load(farm)), new Set(columns));
});

test("a column that is saved again has its new type, once", (t) => {
  const store = new SchemaStore(open(t, folder(t)), () => undefined);
  store.save(farm, [column("rssi", "integer")]);
  store.save(farm, [column("rssi", "float"), column("rssi", "string"), column("snr", "float")]);
  assert.deepEqual(store.load(farm), [column("rssi", "string"), column("snr", "float")]);
});

test("a column without a type is removed from its database, which makes room at once", (t) => {
  const store = new SchemaStore(open(t, folder(t)), () => undefined, { maxColumns: 3 });
  store.save(farm, [column("rssi", "integer"), column("snr", "float")]);
  store.save(barn, [column("rssi", "string")]);
  const gone = { table: "uplink", column: "rssi", type: undefined };
  const never = { table: "uplink", column: "never", type: undefined };
  assert.equal(
    store.save(farm, [column("new", "float"), gone, never, column("further", "float")]),
    undefined,
  );
  assert.deepEqual(store.load(farm), [column("new", "float"), column("snr", "float")]);
  assert.deepEqual(store.load(barn), [column("rssi", "string")]);
});

test("one database's columns are not another's", (t) => {
  const store = new SchemaStore(open(t, folder(t)), () => undefined);
  store.save(farm, [column("rssi", "integer")]);
  store.save(barn, [column("rssi", "string")]);
  assert.deepEqual(store.load(farm), [column("rssi", "integer")]);
  assert.deepEqual(store.load(barn), [column("rssi", "string")]);
  assert.deepEqual(store.load("http://other farm"), []);
});

test("databases that are not written to any more are forgotten", (t) => {
  const store = new SchemaStore(open(t, folder(t)), () => undefined, { maxColumns: 2 });
  store.save(farm, [column("rssi", "integer")]);
  store.save(barn, [column("rssi", "string")]);
  assert.equal(store.keepOnly([farm]), undefined);
  assert.deepEqual([store.load(farm).length, store.load(barn).length], [1, 0]);
  store.save(farm, [column("snr", "float")]);
  assert.equal(store.load(farm).length, 2, "what was forgotten has made room");
});

test("no more columns are kept than the limit; those that are there still change", (t) => {
  const dir = folder(t);
  const limited = { maxColumns: 2 };
  const database = open(t, dir);
  const store = new SchemaStore(database, () => undefined, limited);
  store.save(farm, [column("a", "float")]);
  store.save(barn, [column("b", "float"), column("c", "float")]);
  assert.deepEqual(store.load(barn), [column("b", "float")]);
  const reopened = new SchemaStore(database, () => undefined, limited);
  reopened.save(farm, [column("a", "string"), column("d", "float")]);
  assert.deepEqual(reopened.load(farm), [column("a", "string")]);
});

test("a type that nobody knows is left out", (t) => {
  const database = open(t, folder(t));
  const store = new SchemaStore(database, () => undefined);
  store.save(farm, [column("a", "float"), column("b", "float")]);
  database.prepare("UPDATE influx_column SET type = 'toString' WHERE column_name = 'a'").run();
  assert.deepEqual(store.load(farm), [column("b", "float")]);
});

test("what is written is told to the owner of the file, and nothing is written for nothing", (t) => {
  const wrote: number[] = [];
  const database = open(t, folder(t));
  const store = new SchemaStore(database, (bytes) => wrote.push(bytes));
  store.save(farm, []);
  store.keepOnly([farm]);
  assert.deepEqual(wrote, []);
  store.save(farm, [column("a", "float"), column("b", "float")]);
  store.keepOnly([]);
  assert.equal(wrote.length, 2);
  assert.ok(wrote.every((bytes) => bytes >= 2 * 4096));
});

test("when it cannot be stored, that is said, and nothing of it was", (t) => {
  const database = open(t, folder(t));
  const store = new SchemaStore(database, () => undefined);
  store.save(farm, [column("a", "float")]);
  database.pragma(`max_page_count = ${Number(database.pragma("page_count", { simple: true }))}`);
  const many = Array.from({ length: 5000 }, (_, n) => column(`column_${n}`, "float"));
  const fault = store.save(farm, many);
  assert.equal(fault?.code, "schema_unsaved");
  assert.equal(fault?.disposition, "drop");
  assert.match(fault?.message ?? "", /SQLITE_FULL/);
  assert.deepEqual(store.load(farm), [column("a", "float")]);
});

test("a bug is no fault of the disk's", (t) => {
  const store = new SchemaStore(open(t, folder(t)), () => undefined);
  const broken = [{ ...column("a", "float"), column: new Date(0) as unknown as string }];
  assert.throws(() => store.save(farm, broken), TypeError);
  assert.deepEqual(store.load(farm), []);
});
