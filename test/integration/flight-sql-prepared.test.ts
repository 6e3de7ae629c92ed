/** Prepared statements of Flight SQL against a server that really listens. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import { Field, Int64, Schema } from "apache-arrow";
import { FlightDataSchema } from "../../src/proto/flight/flight_pb.js";
import {
  ActionClosePreparedStatementRequestSchema,
  ActionCreatePreparedStatementRequestSchema,
  ActionCreatePreparedStatementResultSchema,
  CommandPreparedStatementQuerySchema,
  DoPutPreparedStatementResultSchema,
} from "../../src/proto/flight/flight_sql_pb.js";
import { ArrowDecoder } from "../../src/influx/arrow/decoder.ts";
import { rowsOf, type Row, type Value } from "../../src/influx/arrow/rows.ts";
import type { Reply } from "../support/flight-server.ts";
import {
  encapsulated,
  here,
  resultBytes,
  sqlStage,
  unpackCommand,
  type SqlAnswers,
} from "../support/flight-sql-stage.ts";
import { isFault, messages, messagesOf, rowsFrom, schemaMessage } from "../unit/influx/flight/fixture.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (words: string): Uint8Array => Buffer.from(words);

function created(init: MessageInitShape<typeof ActionCreatePreparedStatementResultSchema>): Uint8Array {
  const result = create(ActionCreatePreparedStatementResultSchema, init);
  return toBinary(AnySchema, anyPack(ActionCreatePreparedStatementResultSchema, result));
}

function bound(handle: string | undefined): Uint8Array {
  const init = handle === undefined ? {} : { preparedStatementHandle: bytes(handle) };
  return resultBytes(
    toBinary(DoPutPreparedStatementResultSchema, create(DoPutPreparedStatementResultSchema, init)),
  );
}

/** The handle that the call names, and the rows that it binds. */
function readPut(puts: readonly Uint8Array[]): { handle: string; rows: Row[]; descriptors: number } {
  const decoder = new ArrowDecoder();
  const rows: Row[] = [];
  let handle = "";
  let descriptors = 0;
  for (const put of puts) {
    const { flightDescriptor, dataHeader: header, dataBody: body } = fromBinary(FlightDataSchema, put);
    if (flightDescriptor !== undefined) {
      const [type, value] = unpackCommand(flightDescriptor.cmd);
      assert.equal(type, "CommandPreparedStatementQuery");
      handle = text(fromBinary(CommandPreparedStatementQuerySchema, value).preparedStatementHandle);
      descriptors += 1;
    }
    const decoded = decoder.decode({ header, body });
    if (decoded.kind === "batch") rows.push(...rowsOf(decoded.batch.schema)(decoded.batch));
  }
  return { handle, rows, descriptors };
}

/** What a bound value is in a handle of this test. */
function plain(value: Value | undefined): string {
  assert.equal(typeof value, "bigint");
  return `${value as bigint}`;
}

async function send(reply: Reply): Promise<void> {
  for (const message of messages(3)) await reply.send(message);
}

/** Keeps what it was told; `handleOf` is the handle after each binding. */
function statements(handleOf: (old: string, row: Row) => string | undefined): {
  readonly said: string[];
  readonly answers: SqlAnswers;
} {
  const said: string[] = [];
  return {
    said,
    answers: {
      action: (type, body) => {
        const [message, value] = unpackCommand(body);
        if (type === "CreatePreparedStatement") {
          assert.equal(message, "ActionCreatePreparedStatementRequest");
          said.push(`create ${fromBinary(ActionCreatePreparedStatementRequestSchema, value).query}`);
          return created({
            preparedStatementHandle: bytes("h"),
            datasetSchema: encapsulated(schemaMessage.header),
          });
        }
        const closing = fromBinary(ActionClosePreparedStatementRequestSchema, value);
        said.push(`close ${text(closing.preparedStatementHandle)}`);
        return new Uint8Array(0);
      },
      put: async (puts, reply) => {
        const { handle, rows, descriptors } = readPut(puts);
        assert.deepEqual([rows.length, descriptors, puts.length], [1, 1, 2]);
        const [row = {}] = rows;
        said.push(`bind ${handle}`);
        await reply.sendMessage(bound(handleOf(handle, row)));
      },
      info: (command) => {
        const [, value] = unpackCommand(command);
        said.push(
          `ask ${text(fromBinary(CommandPreparedStatementQuerySchema, value).preparedStatementHandle)}`,
        );
        return here("x");
      },
      doGet: async (_, reply) => await send(reply),
    },
  };
}

describe("a prepared statement", () => {
  test("of a server without state is asked with the handle of its last binding", async () => {
    const { said, answers } = statements((old, row) => `${old}+${plain(row["limit"])}`);
    await using on = await sqlStage(answers);
    const statement = await on.client.sql.prepare("SELECT $limit");
    assert.deepEqual(
      statement.columns?.map(({ name }) => name),
      ["time", "value", "count"],
    );
    assert.equal(statement.parameters, undefined);
    await statement.bind({ limit: 5n });
    const first = statement.query();
    await Promise.all([statement.bind({ limit: 6n }), statement.bind({ limit: 7n })]);
    assert.deepEqual(await statement.query().rows().collect(), rowsFrom(0, 3));
    await first.all();
    await statement.close();
    await statement.close();
    assert.deepEqual(said, [
      "create SELECT $limit",
      "bind h",
      "bind h+5",
      "bind h+5+6",
      "ask h+5+6+7",
      "ask h+5",
      "close h+5+6+7",
    ]);
    assert.throws(() => statement.query(), /after its close/);
  });

  test("of a server with state keeps its handle, whether it answers nothing or an empty one", async () => {
    for (const kept of [undefined, ""]) {
      const { said, answers } = statements(() => kept);
      await using on = await sqlStage(answers);
      const statement = await on.client.sql.prepare("SELECT $1");
      await statement.bind({ 1: null });
      await statement.query().all();
      assert.deepEqual(said.slice(1), ["bind h", "ask h"]);
    }
    const silent = statements(() => undefined);
    await using on = await sqlStage({ ...silent.answers, put: async () => {} });
    const statement = await on.client.sql.prepare("SELECT $1");
    await statement.bind({ 1: null });
    await statement.query().all();
    assert.deepEqual(silent.said.slice(1), ["ask h"]);
  });

  test("is bound to each value as it is, and stays in its database", async () => {
    const seen: Row[] = [];
    const { answers } = statements((old, row) => {
      seen.push(row);
      return old;
    });
    await using on = await sqlStage(answers);
    const statement = await on.client.sql.prepare("SELECT $a", { database: "barn" });
    const values = {
      a: null,
      b: true,
      c: 2n ** 63n - 1n,
      d: 2n ** 64n - 1n,
      e: 0.5,
      f: "°\u0000".repeat(600_000),
      g: "",
      h: false,
    };
    await statement.bind(values);
    assert.deepEqual(seen, [values]);
    await statement.bind({});
    await statement.query().all();
    await statement.close();
    assert.deepEqual(new Set(on.server.metadata.map((headers) => headers["database"])), new Set(["barn"]));
  });

  test("names its parameters as the server does", async () => {
    const [parameters] = messagesOf(new Schema([new Field("$limit", new Int64(), true)]), []);
    assert.ok(parameters !== undefined);
    await using on = await sqlStage({
      action: () => created({ parameterSchema: encapsulated(parameters.header) }),
    });
    const statement = await on.client.sql.prepare("SELECT $limit");
    assert.deepEqual(
      statement.parameters?.map(({ name, arrowType }) => [name, arrowType]),
      [["$limit", "Int64"]],
    );
    await assert.rejects(statement.bind({ $limit: 1n }), isFault("flight_bad_parameter", /\$limit/));
    await assert.rejects(statement.bind({ limit: 2n ** 64n }), isFault("flight_bad_parameter", /64 bits/));
    await assert.rejects(statement.bind({ limit: NaN }), isFault("flight_bad_parameter", /NaN/));
  });

  test("that cannot be made is a fault", async () => {
    const answers: [code: string, action: NonNullable<SqlAnswers["action"]>][] = [
      ["flight_bad_answer", () => new Uint8Array(0)],
      ["flight_bad_answer", () => Buffer.from([0x0a, 0x7f])],
      ["flight_bad_answer", async () => undefined],
      ["flight_bad_stream", () => created({ datasetSchema: bytes("schema") })],
      [
        "flight_query_refused",
        async (_type, _body, reply) => {
          reply.fail(3, "Error while planning Flight SQL : no");
          return undefined;
        },
      ],
    ];
    for (const [code, action] of answers) {
      await using on = await sqlStage({ action });
      await assert.rejects(on.client.sql.prepare("SELECT 1"), isFault(code));
      assert.equal(on.methods[0], "DoAction");
    }
  });

  test("of which the server says what cannot be read is closed there, and the fault names the request", async () => {
    const unreadable: MessageInitShape<typeof ActionCreatePreparedStatementResultSchema>[] = [
      { datasetSchema: bytes("schema") },
      { parameterSchema: bytes("schema") },
    ];
    for (const init of unreadable) {
      const { said, answers } = statements((old) => old);
      await using on = await sqlStage({
        action: (type, body, reply) =>
          type === "CreatePreparedStatement"
            ? created({ preparedStatementHandle: bytes("h"), ...init })
            : (answers.action?.(type, body, reply) ?? assert.fail("there are answers")),
      });
      const made = on.client.sql.prepare("SELECT 1", { requestId: "r-8" });
      await assert.rejects(made, isFault("flight_bad_stream", /\(request r-8\)$/));
      assert.deepEqual(said, ["close h"]);
    }
    await using on = await sqlStage({ action: () => new Uint8Array(0) });
    const made = on.client.sql.prepare("SELECT 1", { requestId: "r-8" });
    await assert.rejects(made, isFault("flight_bad_answer", /\(request r-8\)$/));
  });

  test("that is closed while it is bound closes the handle that the binding gives", async () => {
    const { said, answers } = statements((old) => `${old}+1`);
    const asked = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    await using on = await sqlStage({
      ...answers,
      put: async (puts, reply) => {
        asked.resolve();
        await goOn.promise;
        await answers.put?.(puts, reply);
      },
    });
    const statement = await on.client.sql.prepare("SELECT $1");
    const binding = statement.bind({ 1: 1 });
    await asked.promise;
    const closing = statement.close();
    goOn.resolve();
    await Promise.all([binding, closing]);
    assert.deepEqual(said.slice(1), ["bind h", "close h+1"]);
  });

  test("is made although the server is just starting, but not against the caller's will", async () => {
    let calls = 0;
    await using on = await sqlStage({
      action: async (_type, _body, reply) => {
        calls += 1;
        if (calls % 2 === 0) return created({ preparedStatementHandle: bytes("h") });
        reply.fail(14, "starting");
        return undefined;
      },
    });
    await on.client.sql.prepare("SELECT 1");
    assert.equal(calls, 2);
    const once = on.client.sql.prepare("SELECT 1", { retry: "never", requestId: "r-1" });
    await assert.rejects(once, isFault("flight_unavailable", /starting.*request r-1/));
  });

  test("is closed in silence where nobody listens any more", async () => {
    const { answers } = statements((old) => old);
    const on = await sqlStage(answers, { timeoutMs: 500 });
    const statement = await on.client.sql.prepare("SELECT 1");
    await on.server.stop();
    await statement.close();
    on.client.close();
  });
});
