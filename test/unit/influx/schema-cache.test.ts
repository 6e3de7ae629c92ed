import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { databaseKey, SchemaCache, type SchemaLimits } from "../../../src/influx/schema-cache.ts";
import type { ColumnType, TableColumn } from "../../../src/telemetry/column-types.ts";

const isPayloadTable = (table: string): boolean => table.startsWith("telemetry_");
const table = "telemetry_em300";

function cache(known: readonly TableColumn[] = [], limits: Partial<SchemaLimits> = {}): SchemaCache {
  const wide = { tables: 2000, columnsPerTable: 1000, columns: 100_000, payloadColumns: 200, ...limits };
  return new SchemaCache({ known, isPayloadTable, limits: wide });
}

function column(name: string, type: ColumnType, of = table): TableColumn {
  return { table: of, column: name, type };
}

function numbered(count: number, prefix: string, type: ColumnType = "float"): TableColumn[] {
  return Array.from({ length: count }, (_, n) => column(`${prefix}${n}`, type));
}

function claim(schema: SchemaCache, columns: Iterable<TableColumn>): void {
  for (const each of columns) schema.columnsOf(each.table).set(each.column, each.type);
}

/** What InfluxDB has at this moment. Whether what was fitted before is stale. */
function learn(schema: SchemaCache, columns: Iterable<TableColumn>): boolean {
  const { version } = schema;
  schema.learn(columns, schema.beginLook());
  assert.ok([version, version + 1].includes(schema.version));
  return schema.version > version;
}

describe("learning", () => {
  test("a column not heard of before is learned in silence", () => {
    const schema = cache([column("temperature", "float")]);
    assert.equal(learn(schema, [column("temperature", "float"), column("humidity", "float")]), false);
    assert.equal(schema.version, 0);
    assert.deepEqual(
      [...schema.columnsOf(table)],
      [
        ["temperature", "float"],
        ["humidity", "float"],
      ],
    );
  });

  test("a claim of another type is set right in the map that its claimer holds, and what was fitted is stale", () => {
    const schema = cache();
    const held = schema.columnsOf(table);
    held.set("temperature", "string");
    assert.equal(learn(schema, [column("temperature", "float")]), true);
    assert.equal(schema.version, 1);
    assert.equal(held.get("temperature"), "float");
    assert.equal(schema.columnsOf(table), held);
  });

  test("what the last process knew is contradicted like a claim", () => {
    const schema = cache([column("a", "integer")]);
    assert.equal(learn(schema, [column("a", "unsigned")]), true);
    assert.equal(schema.columnsOf(table).get("a"), "unsigned");
  });

  test("a claim that InfluxDB does not have yet stays, and other tables are not touched", () => {
    const schema = cache();
    claim(schema, [column("new", "float"), column("a", "float", "uplink")]);
    assert.equal(learn(schema, [column("old", "float")]), false);
    assert.equal(schema.columnsOf(table).get("new"), "float");
    assert.deepEqual([...schema.columnsOf("uplink")], [["a", "float"]]);
  });

  test("of several contradictions at once the version grows by one", () => {
    const schema = cache([column("a", "float"), column("b", "float")]);
    learn(schema, [column("a", "string"), column("b", "tag")]);
    assert.equal(schema.version, 1);
  });

  test("a type that we have no word for is a contradiction, too", () => {
    const schema = cache([column("a", "float")]);
    assert.equal(learn(schema, [column("a", "other")]), true);
    assert.equal(schema.columnsOf(table).get("a"), "other");
  });
});

describe("a look that does not find a column", () => {
  test("frees it, also where its whole table is gone, and what was fitted is stale", () => {
    const schema = cache([
      column("status", "string"),
      column("a", "float"),
      column("rssi", "float", "uplink"),
    ]);
    const held = schema.columnsOf(table);
    assert.equal(learn(schema, [column("a", "float")]), true);
    assert.deepEqual([[...held.keys()], schema.columnsOf("uplink").size], [["a"], 0]);
    held.set("status", "float");
    assert.equal(schema.isConfirmed(table, "status"), false);
    assert.equal(learn(schema, [column("a", "float")]), false, "now it is a claim, which stays");
    assert.equal(held.get("status"), "float");
  });

  test("leaves what lines have made that were taken since it began, and the next look frees that, too", () => {
    const schema = cache();
    schema.confirm([column("before", "float")]);
    const look = schema.beginLook();
    schema.confirm([column("meanwhile", "float")]);
    schema.learn([], look);
    assert.deepEqual([...schema.columnsOf(table).keys()], ["meanwhile"]);
    assert.equal(learn(schema, []), true);
    assert.equal(schema.columnsOf(table).size, 0);
  });

  test("leaves what a look has found that began later", () => {
    const schema = cache([column("known", "float")]);
    const older = schema.beginLook();
    assert.equal(learn(schema, [column("known", "float"), column("new", "float")]), false);
    schema.learn([], older);
    assert.deepEqual([[...schema.columnsOf(table).keys()], schema.version], [["known", "new"], 0]);
  });

  test("makes room in a payload's table, and no claim is given up for what is gone", () => {
    const schema = cache(numbered(199, "known"));
    claim(schema, [column("claimed", "float")]);
    learn(schema, numbered(150, "new"));
    assert.equal(schema.columnsOf(table).size, 151);
    assert.ok(schema.columnsOf(table).has("claimed"));
  });
});

describe("a payload's table that is fuller than was thought", () => {
  test("gives up its newest claims until it is within its limit, and what was fitted is stale", () => {
    const schema = cache();
    claim(schema, numbered(100, "ours"));
    const theirs = [column("time", "time"), ...numbered(109, "theirs")];
    assert.equal(learn(schema, theirs), true);
    const names = [...schema.columnsOf(table).keys()];
    assert.equal(names.length, 200);
    assert.ok(names.includes("ours89") && !names.includes("ours90"));
    assert.ok(theirs.every((each) => names.includes(each.column)));
    assert.equal(learn(schema, theirs), false);
    assert.equal(schema.version, 1);
  });

  test("keeps the claims of tags", () => {
    const schema = cache();
    claim(schema, [column("dev_eui", "tag"), column("x", "float")]);
    assert.equal(learn(schema, numbered(300, "theirs")), true);
    assert.deepEqual([...schema.columnsOf(table).keys()].slice(0, 2), ["dev_eui", "theirs0"]);
    assert.equal(schema.columnsOf(table).size, 301);
  });

  test("keeps what lines have made since the look began", () => {
    const schema = cache();
    const look = schema.beginLook();
    schema.confirm([column("meanwhile", "float")]);
    claim(schema, [column("claimed", "float")]);
    schema.learn(numbered(300, "theirs"), look);
    assert.deepEqual([...schema.columnsOf(table).keys()].slice(0, 2), ["meanwhile", "theirs0"]);
  });

  test("that is exactly full contradicts nothing", () => {
    const schema = cache();
    claim(schema, numbered(100, "ours"));
    assert.equal(learn(schema, numbered(100, "theirs")), false);
    assert.equal(schema.columnsOf(table).size, 200);
  });

  test("is a matter of payloads only: a table of our own keeps its claims", () => {
    const schema = cache();
    schema.columnsOf("uplink").set("rssi", "float");
    assert.equal(
      learn(
        schema,
        numbered(300, "x").map((each) => ({ ...each, table: "uplink" })),
      ),
      false,
    );
    assert.equal(schema.columnsOf("uplink").size, 301);
  });
});

describe("a claim", () => {
  test("is confirmed by what InfluxDB says, and by lines that it has taken", () => {
    const schema = cache();
    claim(schema, [column("a", "float"), column("b", "float"), column("c", "float")]);
    const confirmed = (): boolean[] => ["a", "b", "c", "d"].map((name) => schema.isConfirmed(table, name));
    assert.deepEqual(confirmed(), [false, false, false, false]);
    learn(schema, [column("a", "float")]);
    schema.confirm([column("b", "float")]);
    assert.deepEqual(confirmed(), [true, true, false, false]);
    assert.equal(schema.version, 0, "it was as it was claimed");
  });

  test("of another type than that of lines that were taken is set right, and what was fitted is stale", () => {
    const schema = cache();
    const held = schema.columnsOf(table);
    held.set("a", "string");
    schema.confirm([column("a", "float"), column("new", "float")]);
    assert.deepEqual([held.get("a"), held.get("new"), schema.version], ["float", "float", 1]);
    assert.ok(schema.isConfirmed(table, "new"));
  });

  test("that is given up is free, and what was fitted to it is stale", () => {
    const schema = cache([column("known", "float")]);
    claim(schema, [column("a", "string"), column("b", "float")]);
    schema.giveUp([column("a", "string"), column("known", "float"), column("never", "float", "other")]);
    assert.deepEqual([...schema.columnsOf(table).keys()], ["known", "b"], "what is confirmed stays");
    assert.equal(schema.version, 1);
    schema.giveUp([column("a", "string"), column("known", "float")]);
    assert.equal(schema.version, 1, "there was nothing to give up");
  });

  test("of another type than the refused one stays", () => {
    const schema = cache();
    claim(schema, [column("a", "float")]);
    schema.giveUp([column("a", "string")]);
    assert.deepEqual([schema.columnsOf(table).get("a"), schema.version], ["float", 0]);
  });
});

describe("what is not stored yet", () => {
  test("is what is confirmed and came or changed, and what is gone, until it is saved", () => {
    const schema = cache([column("old", "float"), column("same", "float"), column("gone", "float")]);
    assert.deepEqual(schema.unsaved(), []);
    claim(schema, [column("claimed", "boolean"), column("taken", "float")]);
    const theirs = [column("same", "float"), column("old", "string"), column("heard", "integer")];
    learn(schema, theirs);
    schema.confirm([column("taken", "float")]);
    const changes = [
      { table, column: "gone", type: undefined },
      column("old", "string"),
      column("heard", "integer"),
      column("taken", "float"),
    ];
    assert.deepEqual(schema.unsaved(), changes);
    assert.deepEqual(schema.unsaved(), changes, "asking for it does not save it");
    schema.saved(changes.slice(0, 1));
    assert.deepEqual(schema.unsaved(), changes.slice(1));
    schema.saved(changes);
    learn(schema, [...theirs, column("taken", "float")]);
    assert.deepEqual(schema.unsaved(), []);
  });

  test("is not saved by a save of what it was before", () => {
    const schema = cache();
    learn(schema, [column("a", "float")]);
    const before = schema.unsaved();
    learn(schema, [column("a", "string")]);
    schema.saved(before);
    assert.deepEqual(schema.unsaved(), [column("a", "string")]);
    learn(schema, []);
    const gone = schema.unsaved();
    schema.confirm([column("a", "float")]);
    schema.saved(gone);
    assert.deepEqual(schema.unsaved(), [column("a", "float")]);
  });
});

describe("limits", () => {
  test("a table has no more columns than its limit; those that it has still change", () => {
    const schema = cache([], { columnsPerTable: 2 });
    claim(schema, [column("a", "float"), column("b", "float"), column("c", "float")]);
    assert.deepEqual([...schema.columnsOf(table).keys()], ["a", "b"]);
    learn(schema, [column("b", "string"), column("d", "float")]);
    assert.deepEqual(
      [...schema.columnsOf(table).entries()],
      [
        ["a", "float"],
        ["b", "string"],
      ],
    );
  });

  test("all tables together have no more than theirs, and what one gives up another can have", () => {
    const schema = cache([], { columns: 2 });
    claim(schema, [column("a", "float", "one"), column("b", "float", "two"), column("c", "float", "two")]);
    assert.equal(schema.columnsOf("two").size, 1);
    schema.columnsOf("one").delete("a");
    schema.columnsOf("one").delete("a");
    claim(schema, [column("c", "float", "two"), column("d", "float", "two")]);
    assert.deepEqual([...schema.columnsOf("two").keys()], ["b", "c"]);
    schema.columnsOf("two").clear();
    claim(schema, numbered(3, "x"));
    assert.equal(schema.columnsOf(table).size, 2);
  });

  test("a table too many is new each time, and takes no room", () => {
    const schema = cache([], { tables: 1, columns: 2 });
    claim(schema, [column("a", "float", "one"), column("a", "float", "two"), column("b", "float", "two")]);
    assert.deepEqual([schema.columnsOf("one").size, schema.columnsOf("two").size], [1, 0]);
    claim(schema, [column("b", "float", "one")]);
    assert.equal(schema.columnsOf("one").size, 2);
    learn(schema, [column("a", "float", "one"), column("a", "float", "two")]);
    assert.deepEqual(schema.unsaved(), [column("a", "float", "one")]);
    assert.equal(schema.isConfirmed("two", "a"), false);
  });
});

test("one server's database is not another's", () => {
  const url = "http://127.0.0.1:8181";
  assert.notEqual(databaseKey({ url, database: "a" }), databaseKey({ url, database: "b" }));
  assert.notEqual(databaseKey({ url, database: "a" }), databaseKey({ url: `${url}/x`, database: "a" }));
});
