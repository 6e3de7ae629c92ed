/** Parameters of prepared statements: bound as they are, and judged before they are believed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { after, before, describe, test } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import {
  Binary,
  DateDay,
  Table,
  TimestampMillisecond,
  Vector,
  makeData,
  vectorFromArray,
} from "apache-arrow";

import { FlightDataSchema, FlightDescriptor_DescriptorType } from "../../../src/proto/flight/flight_pb.js";
import type { FlightData } from "../../../src/proto/flight/flight_pb.js";
import { FlightSqlPreparedStatementHandleSchema } from "../../../src/proto/iox/ticket_pb.js";
import { numbers, startHandMade } from "./flight-fixture.ts";
import type { HandMadeServer } from "./flight-fixture.ts";
import {
  RawFlightSql,
  anyOf,
  packed,
  partsOf,
  preparedQuery,
  rowOf,
  statement,
} from "./flight-sql-fixture.ts";

let server: HandMadeServer;
let client: RawFlightSql;
before(async () => {
  server = await startHandMade();
  client = new RawFlightSql(server.port);
});
after(async () => {
  client.close();
  await server.stop();
});

const garbage = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff);

/** As gRPC has it on the wire. */
function framed(data: FlightData): Buffer {
  const message = toBinary(FlightDataSchema, data);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

async function infoRefusal(command: Uint8Array, headers?: Record<string, string>): Promise<[number, string]> {
  const info = await client.info(command, headers);
  assert.ok("code" in info);
  return [info.code, info.details];
}

describe("parameters", () => {
  const handle = Buffer.from("SELECT $p");

  async function boundAs(parameters: Table): Promise<unknown> {
    server.asked.length = 0;
    await client.rows(preparedQuery(await client.bind(handle, parameters)));
    return server.asked.map((asked) => asked.parameters["p"]);
  }

  test("are bound by GetFlightInfo and by DoGet, with their types", async () => {
    assert.deepEqual(await boundAs(rowOf({ p: [5] })), [5, 5]);
    assert.deepEqual(await boundAs(rowOf({ p: Int32Array.of(-5) })), [-5n, -5n]);
    assert.deepEqual(await boundAs(rowOf({ p: [true] })), [true, true]);
    const millis = makeData({
      type: new TimestampMillisecond(),
      length: 1,
      nullCount: 0,
      data: BigInt64Array.of(-1n),
    });
    const time = "1969-12-31T23:59:59.999000000";
    assert.deepEqual(await boundAs(new Table({ p: new Vector([millis]) })), [time, time]);
    const zone = makeData({
      type: new TimestampMillisecond("UTC"),
      length: 1,
      nullCount: 0,
      data: BigInt64Array.of(1n),
    });
    const utc = "1970-01-01T00:00:00.001000000Z";
    assert.deepEqual(await boundAs(new Table({ p: new Vector([zone]) })), [utc, utc]);
    const day = vectorFromArray([new Date("2024-02-29T00:00:00Z")], new DateDay());
    assert.deepEqual(await boundAs(new Table({ p: day })), ["2024-02-29", "2024-02-29"]);
  });

  test("are those of the first row of the first batch, and nobody waits for more", async () => {
    const [schema, first] = partsOf(rowOf({ p: Int32Array.of(1, 2) }));
    const [, second] = partsOf(rowOf({ p: Int32Array.of(3) }));
    assert.ok(schema !== undefined && first !== undefined && second !== undefined);
    const { code, messages } = await client.put(preparedQuery(handle), [schema, first, second]);
    assert.deepEqual([code, messages.length], [0, 1]);
  });

  test("that go on for long keep nobody else from the connection, though their sender never ends", async (t) => {
    const session = connect(`http://127.0.0.1:${server.port}`);
    t.after(() => session.destroy());
    const path = "/arrow.flight.protocol.FlightService/DoPut";
    const head = { ":method": "POST", ":path": path, "content-type": "application/grpc", database: "farm" };
    const [schema, batch] = partsOf(rowOf({ p: new Int32Array(50_000) }));
    assert.ok(schema !== undefined && batch !== undefined);
    const cmd = preparedQuery(handle);
    const type = FlightDescriptor_DescriptorType.CMD;
    const first = framed(create(FlightDataSchema, { ...schema, flightDescriptor: { type, cmd } }));
    const next = framed(create(FlightDataSchema, batch));
    for (let call = 0; call < 3; call += 1) {
      const stream = session.request(head, { endStream: false });
      stream.write(first);
      for (let n = 0; n < 20; n += 1) stream.write(next);
      const [trailers] = (await once(stream.resume(), "trailers")) as [Record<string, string>];
      assert.equal(trailers["grpc-status"], "0");
    }
  });

  test("that do not come, or come broken, are refused", async () => {
    const [schema, batch] = partsOf(rowOf({ p: ["text"] })).filter(
      (_, at, all) => at === 0 || at === all.length - 1,
    );
    assert.ok(schema !== undefined && batch !== undefined);
    const none = /Expected stream of FlightData but found none when executing method DoPut/;
    assert.match((await client.put(preparedQuery(handle), [])).details, none);
    assert.match((await client.put(preparedQuery(handle), [schema])).details, none);
    assert.match((await client.put(undefined, [])).details, /^No FlightDescriptor in Flight SQL request$/);
    const broken = { dataHeader: garbage, dataBody: new Uint8Array() };
    assert.equal((await client.put(preparedQuery(handle), [schema, broken])).code, 3);
    assert.equal((await client.put(preparedQuery(handle), [batch])).code, 3);
    const types = new Table({ p: vectorFromArray([Uint8Array.of(1)], new Binary()) });
    const binary = await client.bind(handle, types);
    assert.match((await infoRefusal(preparedQuery(binary)))[1], /the parameter p of the type Binary/);
  });

  test("a handle that was tampered with is refused, and the server lives on", async () => {
    const schema = FlightSqlPreparedStatementHandleSchema;
    const handles = [
      [packed(schema, { query: "SELECT 1", params: Buffer.from("garbage, and no Arrow") }), ""],
      [anyOf(`type.googleapis.com/${schema.typeName}`, garbage), "Invalid protobuf"],
      [anyOf("type.googleapis.com/other", garbage), "Invalid Any type URL. Expected 'type.googleapis.com/"],
      [garbage, "Invalid PreparedStatement handle"],
    ] as const;
    for (const [tampered, words] of handles) {
      const [code, details] = await infoRefusal(preparedQuery(tampered));
      assert.equal(code, 3);
      assert.ok(details.startsWith(`Error while planning Flight SQL : ${words}`), details);
    }
    const row = Buffer.from(await client.bind(handle, rowOf({ p: Int32Array.of(1) })));
    for (let at = 0; at < row.length; at += 3) {
      const flipped = Buffer.from(row);
      flipped.writeUInt8((row[at] ?? 0) ^ 0xff, at);
      const info = await client.info(preparedQuery(flipped));
      assert.ok("endpoint" in info || info.code === 3, String("details" in info && info.details));
    }
    server.stream = () => numbers(1);
    assert.deepEqual(await client.rows(statement("SELECT 1")), [{ n: 0n }]);
  });
});
