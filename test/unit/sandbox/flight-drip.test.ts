/** What the fault "drip" holds back and counts: record batches, and nothing else. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HandMadeStream, RawFlight, anyTicket, numbers, startHandMade, tableOf } from "./flight-fixture.ts";
import type { HandMadeServer } from "./flight-fixture.ts";

let server: HandMadeServer;
let client: RawFlight;
before(async () => {
  server = await startHandMade();
  client = new RawFlight(server.port);
});
after(async () => {
  client.close();
  await server.stop();
});

test("drip holds back each record batch that the engine's batch is cut into", async () => {
  const { columns } = numbers(1);
  const rowCount = 2 * 8192 + 1;
  server.stream = () =>
    new HandMadeStream(columns, async function* () {
      yield { rowCount, columns: [Array.from({ length: rowCount }, (_, n) => BigInt(n))] };
    });
  const { drip } = server.faults.seen;
  server.faults.nextQueries({ kind: "drip", delayMs: 1, afterBatches: 1 });
  assert.equal(tableOf((await client.ask(anyTicket)).messages).numRows, rowCount);
  assert.equal(server.faults.seen.drip, drip + 2);
});

test("drip does not hold back the end", async () => {
  server.stream = () => numbers(1);
  const { drip } = server.faults.seen;
  server.faults.nextQueries({ kind: "drip", delayMs: 600_000, afterBatches: 1 });
  assert.equal((await client.ask(anyTicket)).code, 0);
  assert.equal(server.faults.seen.drip, drip);
});
