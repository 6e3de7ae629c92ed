/** One device of ten whose rows a server refuses without a name, for hours: the others go on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { delivered, refused, type Write } from "../../support/fakes/scripted-writer.ts";
import { Bench } from "./forward-bench.ts";

/** Of ten devices, in their telemetry. */
const isBad = (line: string): boolean => line.startsWith("telemetry") && line.includes("a0000007");

for (const isCertain of [true, false]) {
  test(`a steady share of refusals without a name starves nobody, ${isCertain ? "certain" : "uncertain"}`, async (t) => {
    const bench = new Bench(t);
    const taken = new Set<string>();
    bench.writer.answer = ({ lines: text }: Write) => {
      const lines = text.split("\n");
      if (lines.some(isBad)) return refused({ isCertain, lines: [] });
      for (const line of lines) taken.add(line);
      return delivered;
    };
    bench.start();
    const uplinks = 6000;
    for (let sent = 0; sent < uplinks; sent += 100) {
      bench.commit(100);
      await bench.time.advance(60_000);
    }
    const telemetry = [...taken].filter((line) => line.startsWith("telemetry")).length;
    const good = 0.9 * uplinks;
    assert.ok(telemetry > 0.99 * good, `${telemetry} of ${good} good ones are there`);
    const hours = uplinks / 100 / 60;
    const requests = bench.writer.writes.length;
    assert.ok(requests < 20_000 * hours, `${requests} requests in ${hours} h`);
    // The bad ones of the last quarter of an hour wait for evidence, and perhaps some that travelled with them.
    assert.ok(bench.dead.length > 0.5 * (uplinks - good), `${bench.dead.length} dead letters`);
    assert.ok(bench.log.backlog < 0.1 * uplinks, `${bench.log.backlog} wait`);
    assert.ok(bench.dead.every(({ line }) => isBad(line)));
  });
}
