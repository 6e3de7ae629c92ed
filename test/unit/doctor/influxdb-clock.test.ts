/** The difference of two clocks, from what one says between a question and its answer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Finding } from "../../../src/doctor/finding.ts";
import { boundsOf, certainMs, narrowed, tellClock } from "../../../src/doctor/influxdb-clock.ts";
import { Lines } from "../../../src/doctor/lines.ts";

describe("bounds of a difference", () => {
  test("hold the true difference, wherever between question and answer the clock was read", () => {
    const stepMs = 1000;
    for (const offMs of [-5000, -1, 0, 700, 86_400_000]) {
      for (const readAfterMs of [0, 150, 300]) {
        for (let askedMs = 10_000; askedMs < 11_000; askedMs += 37) {
          const readMs = askedMs + readAfterMs + offMs;
          const theirMs = Math.floor(readMs / stepMs) * stepMs;
          const { minMs, maxMs } = boundsOf({ theirMs, stepMs, askedMs, answeredMs: askedMs + 300 });
          assert.ok(minMs <= offMs && offMs <= maxMs, `${offMs} in ${minMs} to ${maxMs}`);
          assert.equal(maxMs - minMs, stepMs + 300);
        }
      }
    }
  });

  test("become narrower with every reading, and are none when readings contradict each other", () => {
    const one = { minMs: -800, maxMs: 200 };
    assert.deepEqual(narrowed([one, { minMs: -100, maxMs: 900 }]), { minMs: -100, maxMs: 200 });
    assert.equal(narrowed([one, { minMs: 300, maxMs: 900 }]), undefined);
    assert.equal(narrowed([]), undefined);
  });

  test("are certain of what lies between them and zero only", () => {
    assert.equal(certainMs({ minMs: -400, maxMs: 600 }), 0);
    assert.equal(certainMs({ minMs: 2100, maxMs: 3100 }), 2100);
    assert.equal(certainMs({ minMs: -3100, maxMs: -2100 }), -2100);
  });
});

describe("the line about the clock", () => {
  function told(minMs: number, maxMs: number, retentionMs?: number): Finding {
    const found: Finding[] = [];
    const lines = new Lines("influxdb.main", ["clock"], (finding) => found.push(finding));
    tellClock(lines, { minMs, maxMs }, { name: "InfluxDB", retentionMs });
    lines.rest("never");
    assert.equal(found.length, 1);
    return found[0] as Finding;
  }

  test("is a warning from two seconds on, which no rounding makes, and says which clock is behind", () => {
    assert.deepEqual([told(-900, 200).severity, told(1999, 2999).severity], ["ok", "ok"]);
    assert.match(told(-900, 200).text, /900 ms at most/);
    const behind = told(2000, 3000);
    assert.deepEqual([behind.severity, behind.check], ["warning", "influxdb.main.clock"]);
    assert.match(behind.text, /this machine is 2 seconds behind that of InfluxDB/);
    assert.match(told(-130_000 + 20_000, -100_000).text, /100 seconds ahead of that of InfluxDB/);
  });

  test("is a failure from two minutes on, where events lose their own time", () => {
    assert.equal(told(119_999, 121_000).severity, "warning");
    for (const finding of [told(120_000, 121_000), told(-121_000, -120_000)]) {
      assert.deepEqual([finding.severity, finding.code], ["failure", "clock_differs"]);
      assert.match(finding.hint ?? "", /NTP/);
    }
  });

  test("says that what is dated falls out of the retention", () => {
    const day = 86_400_000;
    assert.match(told(3 * day, 3 * day + 1000, 2 * day).text, /3 days behind .* older than the 2 days/);
    assert.doesNotMatch(told(-3 * day, -3 * day, 2 * day).text, /older/);
    assert.doesNotMatch(told(3 * day, 3 * day + 1000, 4 * day).text, /older/);
  });
});
