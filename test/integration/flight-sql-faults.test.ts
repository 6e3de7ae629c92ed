/** What goes wrong in Flight SQL before an answer is fetched, against a server that really listens. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FlightSql } from "../../src/influx/flight/flight-sql-api.ts";
import type { Reply } from "../support/flight-server.ts";
import { here, infoBytes, sqlStage } from "../support/flight-sql-stage.ts";
import { waitFor } from "../support/wait.ts";
import { isFault } from "../unit/influx/flight/fixture.ts";

async function untilOver({ signal }: Reply): Promise<undefined> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  return undefined;
}

describe("what goes wrong before there is a ticket", () => {
  const ways: Record<string, [code: string, text: RegExp, (reply: Reply) => Promise<void> | void]> = {
    "no Flight SQL": [
      "flight_unsupported",
      /get_flight_info/,
      (reply) => reply.fail(12, "Not yet implemented: get_flight_info"),
    ],
    "a bad query": [
      "flight_query_refused",
      /planning/,
      (reply) => reply.fail(3, "Error while planning Flight SQL : no"),
    ],
    "no token": ["flight_unauthorized", /token/, (reply) => reply.fail(16, "Unauthenticated")],
    "no message": ["flight_bad_answer", /there is none/, (reply) => reply.end()],
    "two messages": [
      "flight_bad_answer",
      /more than one/,
      async (reply) => {
        await reply.sendMessage(infoBytes(here("a")));
        await reply.sendMessage(infoBytes(here("b")));
      },
    ],
    "no ticket": [
      "flight_bad_answer",
      /no ticket/,
      async (reply) => await reply.sendMessage(infoBytes({ endpoint: [{}] })),
    ],
    "no endpoint and no schema": [
      "flight_bad_stream",
      /a schema ends/,
      async (reply) => await reply.sendMessage(infoBytes({})),
    ],
    "no FlightInfo": [
      "flight_bad_stream",
      /GetFlightInfo does not decode/,
      async (reply) => await reply.sendMessage(Buffer.from([0x1a, 0x7f, 1])),
    ],
    "too much": [
      "flight_message_too_big",
      /GetFlightInfo/,
      async (reply) => await reply.sendMessage(infoBytes({ appMetadata: new Uint8Array(9 * 1024 * 1024) })),
    ],
  };
  for (const [name, [code, text, answer]] of Object.entries(ways)) {
    test(`${name} is the fault ${code}`, async () => {
      await using on = await sqlStage({
        info: async (_, reply) => {
          // What was too much is left while it is sent.
          await answer(reply)?.catch(() => undefined);
          return undefined;
        },
      });
      const stream = on.client.sql.statement("SELECT 1", { requestId: "r-9", retry: "never" });
      await assert.rejects(stream.all(), isFault(code, text));
      assert.deepEqual(on.methods, ["GetFlightInfo"]);
    });
  }

  test("an abort, a deadline and a closed client end the question on the server too", async () => {
    const endings: [string, (stop: AbortController, sql: FlightSql) => Promise<unknown>, RegExp | string][] =
      [
        ["abort", async ({ signal }, sql) => await sql.statement("SELECT 1", { signal }).all(), /enough/],
        [
          "deadline",
          async (_, sql) => await sql.statement("SELECT 1", { timeoutMs: 60 }).all(),
          "flight_timeout",
        ],
        ["close", async (_, sql) => await sql.statement("SELECT 1").all(), "flight_closed"],
        ["abort", async ({ signal }, sql) => await sql.prepare("SELECT 1", { signal }), /enough/],
        ["deadline", async (_, sql) => await sql.prepare("SELECT 1", { timeoutMs: 60 }), "flight_timeout"],
        ["close", async (_, sql) => await sql.prepare("SELECT 1"), "flight_closed"],
      ];
    for (const [how, ask, expected] of endings) {
      await using on = await sqlStage({
        info: async (_, reply) => await untilOver(reply),
        action: async (_type, _body, reply) => await untilOver(reply),
      });
      const stop = new AbortController();
      const asked = ask(stop, on.client.sql);
      const check = assert.rejects(asked, typeof expected === "string" ? isFault(expected) : expected);
      await waitFor(() => on.methods.length > 0, { what: "the question", everyMs: 1 });
      if (how === "abort") stop.abort(new Error("enough"));
      if (how === "close") on.client.close();
      await check;
      await waitFor(() => on.server.cancels === 1 || on.server.connections === 0, {
        what: "the end of the call",
      });
    }
  });

  test("a signal that has aborted already sends nothing", async () => {
    await using on = await sqlStage({});
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(on.client.sql.statement("SELECT 1", { signal }).all(), /enough/);
    await assert.rejects(on.client.sql.prepare("SELECT 1", { signal }), /enough/);
    on.client.close();
    await assert.rejects(on.client.sql.prepare("SELECT 1"), isFault("flight_closed"));
    assert.deepEqual(on.methods, []);
  });
});
