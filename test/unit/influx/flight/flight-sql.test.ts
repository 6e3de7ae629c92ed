/** What Flight SQL sends and reads, without a server. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tableFromIPC, type Table } from "apache-arrow";
import { readSchemaMessage } from "../../../../src/influx/arrow/schema-message.ts";
import type { QueryParam } from "../../../../src/influx/flight/api.ts";
import { decoding } from "../../../../src/influx/flight/faults.ts";
import { checkLocations } from "../../../../src/influx/flight/locations.ts";
import { paramsBatch } from "../../../../src/influx/flight/params-batch.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import { Random } from "../../../../src/sandbox/devices/random.ts";
import { isFault, messagesOf, schema, schemaMessage } from "./fixture.ts";

function framed(header: Uint8Array): Buffer {
  const frame = Buffer.alloc(8);
  frame.writeUInt32LE(0xffff_ffff);
  frame.writeUInt32LE(header.length, 4);
  return Buffer.concat([frame, header]);
}

describe("bound parameters", () => {
  const read = (params: Readonly<Record<string, QueryParam>>): Table =>
    tableFromIPC(Buffer.concat(paramsBatch(params).flatMap(({ header, body }) => [framed(header), body])));

  test("are one row that another reader reads, each of the type that it stands for", () => {
    const params = {
      a: null,
      b: false,
      c: -(2n ** 63n),
      d: 2n ** 63n,
      e: -0,
      f: "",
      g: "24e124136b502217°",
    };
    const table = read(params);
    assert.equal(table.numRows, 1);
    assert.deepEqual({ ...table.get(0)?.toJSON() }, params);
    assert.deepEqual(
      table.schema.fields.map(({ name, type }) => `${name} ${String(type)}`),
      ["a Null", "b Bool", "c Int64", "d Uint64", "e Float64", "f Utf8", "g Utf8"],
    );
  });

  test("may be none, and hold long texts", () => {
    assert.equal(read({}).schema.fields.length, 0);
    const long = "ä".repeat(300_000);
    assert.equal(read({ long }).get(0)?.["long"], long);
  });

  test("that cannot be bound are refused as those of a query are", () => {
    const refused: Record<string, unknown>[] = [
      { "": 1 },
      { $a: 1 },
      { "a b": 1 },
      { a: Infinity },
      { a: 2n ** 64n },
      { a: -(2n ** 63n) - 1n },
      { a: "\ud83d" },
      { a: undefined },
      { a: new Date(0) },
    ];
    for (const params of refused) {
      const bind = (): unknown => paramsBatch(params as Record<string, QueryParam>);
      assert.throws(bind, isFault("flight_bad_parameter"));
    }
  });
});

describe("a schema in a field of its own", () => {
  const whole = framed(schemaMessage.header);

  test("is read with and without the marker of newer writers, and with padding behind it", () => {
    for (const bytes of [whole, whole.subarray(4), Buffer.concat([whole, Buffer.alloc(8)])]) {
      const read = readSchemaMessage(bytes);
      assert.deepEqual(
        read.fields.map(({ name, type }) => `${name} ${String(type)}`),
        schema.fields.map(({ name, type }) => `${name} ${String(type)}`),
      );
      assert.equal(read.fields[0]?.metadata.get("iox::column::type"), "iox::column_type::timestamp");
    }
  });

  test("that is cut off anywhere, or is a batch, is a fault", () => {
    for (let end = 0; end < whole.length; end += 1) {
      assert.throws(() => readSchemaMessage(whole.subarray(0, end)), isFault("flight_bad_stream"));
    }
    const batch = paramsBatch({ a: 1 })[1] ?? assert.fail("there is a batch");
    assert.throws(
      () => readSchemaMessage(framed(batch.header)),
      isFault("flight_bad_stream", /a batch stands/),
    );
    assert.throws(() => readSchemaMessage(Buffer.alloc(64)), isFault("flight_bad_stream"));
    assert.equal(messagesOf(readSchemaMessage(whole), []).length, 1);
  });

  test("whatever bytes are wrong in it, is a schema or a fault", () => {
    const random = new Random(7, 1);
    let faults = 0;
    for (let round = 0; round < 3000; round += 1) {
      const bytes = Buffer.from(whole);
      for (let count = random.integer(1, 3); count > 0; count -= 1) {
        bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255);
      }
      try {
        decoding(() => readSchemaMessage(bytes));
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
        faults += 1;
      }
    }
    assert.ok(faults > 300 && faults < 3000, `${faults} faults`);
  });
});

describe("a location", () => {
  const elsewhere = isFault("flight_other_location");

  test("without a port in our address has the port of its scheme", () => {
    checkLocations(["grpc+tls://DB.example:443"], "https://db.example");
    checkLocations(["grpc://db.example:80"], "http://db.example/");
    assert.throws(() => checkLocations(["grpc+tls://db.example:8181"], "https://db.example"), elsewhere);
    assert.throws(() => checkLocations(["grpc://db.example:443"], "https://db.example"), elsewhere);
    assert.throws(() => checkLocations(["grpc+unix:///run/db"], "http://db.example"), elsewhere);
  });

  test("is one of several, and none is the server that was asked", () => {
    checkLocations([], "http://db.example");
    checkLocations(["grpc://other:1", "Arrow-Flight-Reuse-Connection://?"], "http://db.example");
    checkLocations(["grpc+tcp://[::1]:8181"], "http://[::1]:8181");
  });
});
