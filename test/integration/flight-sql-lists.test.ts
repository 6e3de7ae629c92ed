/** Answers of Flight SQL that are read as lists, from a server that really listens. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Data,
  DenseUnion,
  Field,
  Int32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { encapsulated, sqlStage } from "../support/flight-sql-stage.ts";
import { tablesAnswer } from "../support/flight-tables-answer.ts";
import { isFault, messages, messagesOf, schemaMessage } from "../unit/influx/flight/fixture.ts";

describe("a list", () => {
  test("of tables has their columns, as InfluxDB calls them", async () => {
    const answer = tablesAnswer([["iox", "room", encapsulated(schemaMessage.header)]]);
    await using on = await sqlStage({
      doGet: async (_, reply) => {
        for (const message of answer) await reply.send(message);
      },
    });
    const [table, ...more] = await on.client.sql.tables({ includeSchema: true }).list();
    assert.equal(more.length, 0);
    assert.deepEqual(
      [table?.catalog, table?.schema, table?.name, table?.type],
      ["public", "iox", "room", "BASE TABLE"],
    );
    assert.deepEqual(table?.columns?.[1], {
      name: "value",
      arrowType: "Float64",
      nullable: true,
      influx: { kind: "field", type: "float" },
    });
  });

  test("with a schema that is none is a fault", async () => {
    for (const schema of ["", "schema", "\u0000\u0000\u0000\u0000", "\u0008\u0000\u0000\u0000aaaaaaaa"]) {
      const answer = tablesAnswer([["iox", "room", Buffer.from(schema)]]);
      await using on = await sqlStage({
        doGet: async (_, reply) => {
          for (const message of answer) await reply.send(message);
        },
      });
      const list = on.client.sql.tables({}, { requestId: "r-4" }).list();
      await assert.rejects(list, isFault("flight_bad_stream", /request r-4/));
    }
  });

  test("that has other columns than Flight SQL says is a fault", async () => {
    await using on = await sqlStage({
      doGet: async (_, reply) => {
        for (const message of messages(3)) await reply.send(message);
      },
    });
    await assert.rejects(on.client.sql.tables().list(), isFault("flight_bad_stream", /catalog_name/));
    await assert.rejects(on.client.sql.sqlInfo().list(), isFault("flight_bad_stream", /info_name/));
  });

  test("of what the server says of itself gives the value of each member of the union", async () => {
    const members = [new Field("string_value", new Utf8(), true), new Field("int32", new Int32(), true)];
    const union = new DenseUnion([0, 3], members);
    const fields = [new Field("info_name", new Int32(), false), new Field("value", union, true)];
    const value = makeData({
      type: union,
      length: 3,
      typeIds: Int8Array.of(0, 3, 0),
      valueOffsets: Int32Array.of(0, 0, 1),
      children: [vectorFromArray(["InfluxDB IOx", '"'], new Utf8()), vectorFromArray([7], new Int32())].map(
        (vector): Data => vector.data[0] ?? assert.fail("a vector has a piece"),
      ),
    });
    const names = makeData({ type: new Int32(), data: Int32Array.of(0, 501, 504) });
    const rows = makeData({ type: new Struct(fields), length: 3, nullCount: 0, children: [names, value] });
    const schema = new Schema(fields);
    const answer = messagesOf(schema, [new RecordBatch(schema, rows)]);
    await using on = await sqlStage({
      doGet: async (_, reply) => {
        for (const message of answer) await reply.send(message);
      },
    });
    assert.deepEqual(await on.client.sql.sqlInfo([0, 501, 504]).list(), [
      { id: 0, value: "InfluxDB IOx" },
      { id: 501, value: 7 },
      { id: 504, value: '"' },
    ]);
  });
});
