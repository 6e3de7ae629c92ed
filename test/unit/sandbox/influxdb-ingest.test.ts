import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Catalog, CatalogRefusal, coreLimits } from "../../../src/sandbox/influxdb/catalog.ts";
import type { Ingested } from "../../../src/sandbox/influxdb/ingest.ts";
import { ingest } from "../../../src/sandbox/influxdb/ingest.ts";

function write(catalog: Catalog, body: string, acceptPartial = true, db = "farm"): Ingested {
  return ingest(catalog, db, body, { acceptPartial, precision: "nanosecond", nowNs: 0n });
}

function firstError(body: string, before = 'm,tag=1 f=1,i=1i,u=1u,s="x",b=t 1'): string | undefined {
  const catalog = new Catalog(coreLimits);
  write(catalog, before);
  return write(catalog, body).errors[0]?.error_message;
}

describe("the first write fixes what a column is", () => {
  const conflicts: [line: string, column: string, expected: string, got: string][] = [
    ['m f="x"', "f", "field::float", "field::string"],
    ["m f=1i", "f", "field::float", "field::integer"],
    ["m i=1", "i", "field::integer", "field::float"],
    ["m i=1u", "i", "field::integer", "field::uinteger"],
    ["m u=1i", "u", "field::uinteger", "field::integer"],
    ["m s=t", "s", "field::string", "field::boolean"],
    ["m b=0", "b", "field::boolean", "field::float"],
    ["m tag=1", "tag", "tag", "field::float"],
    ["m,f=1 x=1", "f", "field::float", "tag"],
    ["m,time=1 x=1", "time", "timestamp", "tag"],
    ["m time=1", "time", "timestamp", "field::float"],
    ["m,both=1 both=1", "both", "tag", "field::float"],
  ];
  for (const [line, column, expected, got] of conflicts) {
    test(line, () => {
      assert.equal(
        firstError(line),
        `invalid column type for column '${column}', expected iox::column_type::${expected}, got iox::column_type::${got}`,
      );
    });
  }

  test("time is reserved in a table that is new", () => {
    assert.equal(firstError("fresh,a=1 time=1"), "'time' is a reserved column");
  });

  test("a field twice in a line is refused", () => {
    assert.equal(
      firstError("m usage=1,usage=2"),
      "invalid line protocol - multiple instances of 'usage' field found",
    );
  });
});

describe("a refused line leaves nothing behind", () => {
  test("its new columns are not in the catalog", () => {
    const catalog = new Catalog(coreLimits);
    write(catalog, "m f=1 1");
    write(catalog, 'm,new_tag=1 new_field=1,f="x" 1\nother a=1,a=2');
    const tables = catalog.database("farm")?.tables;
    assert.deepEqual([...(tables?.keys() ?? [])], ["m"]);
    assert.deepEqual([...(tables?.get("m")?.columns.keys() ?? [])], ["f"]);
  });

  test("the good lines of the same write stay, with the columns that they share", () => {
    const catalog = new Catalog(coreLimits);
    const { points, lines, errors } = write(catalog, "m a=1 1\nm a=2i 2\nm b=3 3");
    assert.equal(points.length, 2);
    assert.deepEqual(lines, ["m a=1 1", "m b=3 3"]);
    assert.deepEqual(
      errors.map((error) => error.line_number),
      [2],
    );
    assert.deepEqual([...(catalog.database("farm")?.tables.get("m")?.columns.keys() ?? [])], ["a", "b"]);
  });

  test("all or nothing: the first bad line undoes the whole write", () => {
    const catalog = new Catalog(coreLimits);
    const { points, errors } = write(catalog, "m a=1 1\nm a=2i 2\nbad", false);
    assert.equal(points.length, 0);
    assert.deepEqual(
      errors.map((error) => error.line_number),
      [2],
    );
    assert.equal(catalog.database("farm"), undefined);
  });
});

describe("what the answer shows of a refused line", () => {
  const shown: [body: string, original: string][] = [
    ["bad_measurement_without_fields", "bad_measurement_with"],
    ["ééééééééééééééééé", "éééééééééé"],
    ["xéééééééééééééééé", "xééééééééé"],
    ['m,tag=1 f="a text"', "m,tag=1 f=a text"],
    [String.raw`m,a\ b=c\,d f=1i`, String.raw`m,a\ b=c\,d f=1i`],
    ["\nbad", ""],
  ];
  for (const [body, original] of shown) {
    test(JSON.stringify(body), () => {
      const catalog = new Catalog(coreLimits);
      write(catalog, "m f=1");
      assert.equal(write(catalog, body).errors[0]?.original_line, original);
    });
  }
});

describe("the limits", () => {
  test("databases", () => {
    const catalog = new Catalog(coreLimits);
    for (let n = 1; n <= 5; n += 1) write(catalog, "m a=1", true, `db${n}`);
    assert.throws(
      () => write(catalog, "m a=1", true, "db6"),
      (error) =>
        error instanceof CatalogRefusal &&
        error.reason === "limit" &&
        error.message === "Adding a new database would exceed limit of 5 databases",
    );
  });

  test("columns of a table, time not counted", () => {
    const catalog = new Catalog({ ...coreLimits, columnsPerTable: 3 });
    assert.equal(write(catalog, "m,t=1 a=1,b=1").errors.length, 0);
    assert.equal(
      write(catalog, "m c=1").errors[0]?.error_message,
      "Update to schema would exceed number of columns per table limit of 3 columns",
    );
  });

  test("tables over all databases", () => {
    const catalog = new Catalog({ ...coreLimits, tables: 2 });
    write(catalog, "one a=1");
    write(catalog, "two a=1", true, "other");
    assert.equal(
      write(catalog, "three a=1").errors[0]?.error_message,
      "Update to schema would exceed number of tables limit: attempted to create table but already have 2 table(s) (limit: 2)",
    );
  });
});

test("names that differ only by case get different names in SQL", () => {
  const catalog = new Catalog(coreLimits);
  write(catalog, "m temp=1,Temp=2,TEMP=3,Time=4");
  const columns = [...(catalog.database("farm")?.tables.get("m")?.columns.values() ?? [])];
  assert.deepEqual(
    columns.map((column) => column.sqlName),
    ["temp", "Temp~2", "TEMP~3", "Time~2"],
  );
});
