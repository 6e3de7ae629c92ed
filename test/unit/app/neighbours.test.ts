import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Neighbour, neighboursOf, NeighbourWatch } from "../../../src/app/neighbours.ts";
import { Fault } from "../../../src/lib/fault.ts";
import type { SourceStatus } from "../../../src/mqtt/source.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";

const refused = new Fault({
  code: "mqtt_refused",
  layer: "broker",
  disposition: "retry",
  message: "nobody listens",
  hint: "start it",
});
const minute = 60_000;

function broker(isUp: boolean | undefined): Neighbour {
  return { name: "main", layer: "broker", isUp };
}

/** A watch, and how often it has seen the neighbour go and come, a minute for both, from `beginMs` on. */
function flap(
  watch: NeighbourWatch,
  times: number,
  beginMs = 0,
  one: (isUp: boolean) => Neighbour = broker,
): number {
  for (let index = 0; index < times; index += 1) {
    watch.look([one(false)], beginMs + index * minute);
    watch.look([one(true)], beginMs + index * minute + 30_000);
  }
  return beginMs + times * minute;
}

describe("what is known of neighbours", () => {
  const source = (state: SourceStatus["state"], lastFault?: Fault) => ({
    name: "main",
    status: { state, connects: 0, lastFault, received: { qos0: 0, qos1: 0 } },
  });

  test("a broker is unknown until it is connected or has refused", () => {
    const isUp = (one: ReturnType<typeof source>) => neighboursOf([one], [])[0]?.isUp;
    assert.equal(isUp(source("connecting")), undefined);
    assert.equal(isUp(source("waiting", refused)), false);
    assert.equal(isUp(source("connecting", refused)), false, "another try is no news");
    assert.equal(isUp(source("connected")), true);
  });

  test("a database is unknown until the first write", () => {
    const isUp = (influxdb: "untried" | "up" | "away") =>
      neighboursOf([], [{ name: "lorawan", forward: { influxdb } }]);
    assert.deepEqual(
      [isUp("untried"), isUp("up"), isUp("away")].map(([one]) => one),
      [undefined, true, false].map((up) => ({ name: "lorawan", layer: "write", isUp: up })),
    );
  });
});

describe("a neighbour that keeps coming and going", () => {
  test("is told once, with counts, and once that it is calm", () => {
    const log = new RecordingLog();
    const watch = new NeighbourWatch(log);
    watch.look([broker(true)], -1000);
    const nowMs = flap(watch, 5);
    assert.deepEqual(log.codes, ["broker_flapping"]);
    assert.deepEqual(log.lines[0]?.details, { source: "main", appeared: 4, vanished: 5, minutes: 4 });
    flap(watch, 20, nowMs);
    assert.equal(log.lines.length, 1, "once, however long it goes on");
    watch.look([broker(true)], nowMs + 29 * minute);
    assert.equal(log.lines.length, 1);
    watch.look([broker(true)], nowMs + 31 * minute);
    assert.deepEqual(
      log.lines
        .slice(1)
        .map(({ level, message, details }) => [level, message, details["source"], details["vanished"]]),
      [["info", "what kept coming and going is calm", "main", 25]],
    );
  });

  test("a database that does is told as such", () => {
    const log = new RecordingLog();
    flap(new NeighbourWatch(log), 6, 0, (isUp) => ({ name: "lorawan", layer: "write", isUp }));
    assert.deepEqual(log.codes, ["influxdb_flapping"]);
    assert.equal(log.lines[0]?.details["database"], "lorawan");
  });

  test("one outage is none, and what is not known is no change", () => {
    const log = new RecordingLog();
    const watch = new NeighbourWatch(log);
    for (let index = 0; index < 20; index += 1) {
      watch.look([broker(false)], index * minute);
      watch.look([broker(undefined)], index * minute + 1);
    }
    watch.look([broker(true)], 21 * minute);
    assert.deepEqual(log.lines, []);
  });

  test("one that is gone from the configuration is forgotten, and a database of a source's name is another", () => {
    const log = new RecordingLog();
    const watch = new NeighbourWatch(log);
    const database = (isUp: boolean): Neighbour => ({ name: "main", layer: "write", isUp });
    flap(watch, 3);
    flap(watch, 3, 3 * minute, database);
    flap(watch, 3, 6 * minute);
    assert.deepEqual(log.codes, []);
    watch.look([broker(true)], 9 * minute);
    flap(watch, 5, 10 * minute);
    assert.deepEqual(log.codes, ["broker_flapping"]);
  });
});
