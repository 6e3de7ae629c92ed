/** The part of flight-contract.ts about reads that do not come to a good end: on our side, and on the server's. */
import assert from "node:assert/strict";
import type { Row } from "../../src/influx/arrow/rows.ts";
import type { BatchReader } from "../../src/influx/flight/api.ts";
import { countRow, countRows, failures, rowsPerBatch } from "./flight-scenarios.ts";
import { faultOf, propertiesOf, type Properties } from "./flight-stage.ts";
import { waitFor } from "./wait.ts";

/** The client's window of 1 MiB, a message, and what a server keeps in buffers of its own; a row has 37 bytes. */
const mostRowsAhead = 100_000;

export const leaving: Properties = {
  "leaving a loop ends the query on the server": async (stage) => {
    await stage.assertFreed(async () => {
      for await (const row of stage.query("endless").rows()) {
        assert.deepEqual(row, countRow(0));
        break;
      }
    });
  },

  "a reader that cancels ends the query on the server": async (stage) => {
    await stage.assertFreed(async () => {
      const reader = await stage.query("endless").reader();
      assert.equal((await reader.next())?.numRows, rowsPerBatch);
      reader.cancel();
      assert.equal((await faultOf(reader.next())).code, "flight_cancelled");
    });
  },

  "an abort ends the query on the server, with rows on their way and with none": async (stage) => {
    for (const text of ["hang_after 1000", "hang"]) {
      await stage.assertFreed(async () => {
        const { queries } = await stage.counters();
        const leaving = new AbortController();
        const reading = stage.query(text, { signal: leaving.signal }).rows().collect();
        const seen = assert.rejects(reading, (error) => error === leaving.signal.reason);
        await waitFor(async () => (await stage.counters()).queries > queries, { what: "the query" });
        leaving.abort(new Error("enough"));
        await seen;
      });
    }
  },

  "a deadline ends the query on the server, and says how far it was": async (stage) => {
    for (const [text, words] of [
      ["hang_after 2000", /after 2000 rows/],
      ["hang", /had no answer|gave no answer/],
    ] as const) {
      await stage.assertFreed(async () => {
        const fault = await faultOf(stage.query(text, { timeoutMs: 400 }).rows().collect());
        assert.equal(fault.code, "flight_timeout");
        assert.match(fault.message, words);
      });
    }
  },

  "silence in the middle of an answer ends the query on the server": async (stage) => {
    await stage.assertFreed(async () => {
      const query = { silenceMs: 200, retry: "never" } as const;
      const fault = await faultOf(stage.query("hang_after 1000", query).rows().collect());
      assert.equal(fault.code, "flight_stalled");
    });
  },

  "closing the client ends its queries on the server": async (stage) => {
    await stage.assertFreed(async () => {
      const client = stage.newClient();
      const reader = await client.query({ text: "endless" }).reader();
      await reader.next();
      client.close();
      assert.equal((await faultOf(reader.next())).code, "flight_closed");
    });
  },

  "a consumer that is slow holds the server back": async (stage) => {
    const before = (await stage.counters()).rowsSent;
    const sent = async (): Promise<number> => (await stage.counters()).rowsSent - before;
    await stage.assertFreed(async () => {
      const reader = await stage.query("endless").reader();
      const read = await pull(reader, 1);
      const held = await standstillOf(sent);
      assert.ok(held - read < mostRowsAhead, `${held} rows were sent while ${read} were read`);
      await pull(reader, mostRowsAhead);
      assert.ok((await sent()) > held, "the server goes on when the consumer does");
      reader.cancel();
    });
  },
};

/** How many rows it was. */
async function pull(reader: BatchReader, atLeast: number): Promise<number> {
  let rows = 0;
  while (rows < atLeast) rows += (await reader.next())?.numRows ?? assert.fail("endless has ended");
  return rows;
}

/** A count that has been the same for 200 ms. */
async function standstillOf(count: () => Promise<number>): Promise<number> {
  let last = -1;
  let sinceMs = 0;
  return await waitFor(
    async () => {
      const now = await count();
      if (now !== last) sinceMs = performance.now();
      last = now;
      return performance.now() - sinceMs >= 200 && now;
    },
    { what: "the server to stand still" },
  );
}

export const failing: Properties = {
  ...propertiesOf(failures, ({ kind, faultCode, disposition }) => [
    `a failure has its code and the server's words: ${kind}`,
    async (stage) => {
      const { queries } = await stage.counters();
      const fault = await faultOf(stage.query(`fail ${kind}`, { retry: "never" }).rows().collect());
      assert.deepEqual([fault.code, fault.disposition], [faultCode, disposition], fault.message);
      // A timeout is described by how far the query came.
      if (kind !== "timed_out") assert.match(fault.message, new RegExp(`the words of ${kind}`));
      assert.equal((await stage.counters()).queries, queries + 1);
    },
  ]),

  "a failure after rows comes after these rows, and they are not asked for again": async (stage) => {
    const { queries } = await stage.counters();
    const seen: Row[] = [];
    const fault = await faultOf(
      (async () => {
        for await (const row of stage.query("fail_after 2000 unavailable").rows()) seen.push(row);
      })(),
    );
    assert.equal(fault.code, "flight_unavailable");
    assert.deepEqual(seen, countRows(0, 2000));
    assert.equal((await stage.counters()).queries, queries + 1);
  },

  "a failure before rows is not seen when the next attempt goes well": async (stage) => {
    const stream = stage.query("fail_once first unavailable 10");
    const seen: Row[] = [];
    for await (const row of stream.rows()) seen.push(row);
    assert.deepEqual(seen, countRows(0, 10));
    assert.equal((await stream.ended).attempts, 2);
  },

  "a query that the server refuses is not asked again": async (stage) => {
    const { queries } = await stage.counters();
    await faultOf(stage.query("fail invalid").rows().collect());
    assert.equal((await stage.counters()).queries, queries + 1);
  },
};
