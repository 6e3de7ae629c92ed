import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { JournalMessage } from "../../../src/journal/message.ts";
import type { Fault } from "../../../src/lib/fault.ts";
import { newCounters, total } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { LeftOutReport } from "../../../src/pipeline/left-out.ts";
import { ownSource, ownTopic, packOwn } from "../../../src/pipeline/own-message.ts";
import type { Decode, Destination } from "../../../src/pipeline/ports.ts";
import { prepare, type PrepareDeps } from "../../../src/pipeline/prepare.ts";
import type { RouteFacts } from "../../../src/pipeline/route.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { MemorySchema } from "../../support/fakes/schema.ts";
import { textOf } from "../../support/ready.ts";
import { junk, numbersIn, uplink } from "../../support/uplinks.ts";
import { temporaryFolder } from "../../support/wait.ts";
import { command } from "./forward-bench.ts";

const folder = await temporaryFolder("prepare");
const marker = new DecodeMarker(folder.path, "j");
marker.arm();
after(async () => {
  marker.close();
  await folder.remove();
});

const main: Destination = { name: "main", isMine: undefined, isDefault: true };

interface SetUp extends Partial<PrepareDeps> {
  readonly decode?: Decode;
}

function setUp({ decode: planted = decode, ...more }: SetUp = {}) {
  const faults: Fault[] = [];
  const deps: PrepareDeps = {
    decoded: new DecodedEvents(planted, marker),
    deduplicator: new Deduplicator(100),
    clock: { mayRelease: true },
    offsetMs: () => undefined,
    settings: { tags: [], deviceTags: [], profiles: [] },
    schema: new MemorySchema(),
    mayClaim: () => true,
    finishedRows: () => undefined,
    isAgain: () => false,
    destination: main,
    leftOut: new LeftOutReport((fault) => faults.push(fault)),
    counters: newCounters(),
    ...more,
  };
  const log = new MemoryLog();
  const run = (...messages: Parameters<MemoryLog["append"]>[0][]) =>
    prepare(
      messages.map((message) => log.append(message)),
      deps,
    );
  return { deps, faults, counters: deps.counters, run };
}

/** The marker's seq as another process would read it. */
function marked(): bigint {
  return readFileSync(join(folder.path, "decoding")).readBigUInt64LE(36);
}

function message(topic: string, event: object): { readonly topic: string; readonly payload: Buffer } {
  return { topic, payload: Buffer.from(JSON.stringify(event)) };
}

/** An event of the device that sent uplink 1, with what all kinds have in common. */
function deviceMessage(kind: string, changes: object = {}) {
  const { topic, payload } = uplink(1);
  const { deduplicationId, time, deviceInfo } = JSON.parse(payload.toString()) as Record<string, unknown>;
  return message(topic.replace(/up$/, kind), { deduplicationId, time, deviceInfo, ...changes });
}

const untrusted = { clockTrusted: false } as const;
const notReleased = { mayRelease: false };
/** Time of the points of table `uplink`, and where it came from. */
function timeOf(text: string): { timeMs: number; source: string | undefined } {
  const line = text.split("\n").find((one) => one.startsWith("uplink,")) ?? "";
  return {
    timeMs: Number(BigInt(line.split(" ").at(-1) ?? "0") / 1_000_000n),
    source: /time_source="(\w+)"/.exec(line)?.[1],
  };
}

describe("prepare", () => {
  test("an uplink becomes its lines", () => {
    const { run, counters } = setUp();
    const chunk = run(uplink(1), uplink(2));
    assert.deepEqual(
      chunk.ready.map((ready) => [ready.seq, numbersIn(textOf(ready))]),
      [
        [1, [1]],
        [2, [2]],
      ],
    );
    for (const ready of chunk.ready) assert.equal(Buffer.byteLength(textOf(ready)) + 1, ready.bytes);
    assert.match(textOf(chunk.ready[0]), /^telemetry_em300_th,.*temperature=20\.1/m);
    assert.deepEqual(
      [chunk.done, chunk.quarantined, chunk.waitForClock, counters.duplicates],
      [[], [], [], 0],
    );
  });

  test("what cannot be decoded is to be quarantined, with its bytes", () => {
    const { run } = setUp();
    const chunk = run(uplink(1), junk(2), { topic: "x", payload: new Uint8Array(0) }, uplink(4));
    assert.deepEqual(
      chunk.quarantined.map(({ message, fault }) => [message.seq, fault.code, fault.disposition]),
      [
        [2, "decode_not_json", "quarantine"],
        [3, "decode_empty", "quarantine"],
      ],
    );
    assert.deepEqual([...(chunk.quarantined[0]?.message.payload ?? [])], [...junk(2).payload]);
    assert.deepEqual(
      chunk.ready.map(({ seq }) => seq),
      [1, 4],
      "and the others go on",
    );
  });

  test("an event without a row is done, and counted by name", () => {
    const { run, counters } = setUp();
    const chunk = run(command(1), command(2), uplink(3));
    assert.deepEqual(chunk.done, [1, 2]);
    assert.deepEqual([...counters.unmapped], [["command/down", 2]]);
  });

  test("every event of a device, and a relay's heartbeat, become lines; what is summed elsewhere is done", () => {
    const { run, counters } = setUp();
    const kinds = ["join", "ack", "txack", "log", "status", "location", "integration"];
    const gateway = { gatewayId: "e4e124dadef64eee", time: "2025-12-31T00:00:00Z" };
    const chunk = run(
      ...kinds.map((kind) => deviceMessage(kind)),
      message("eu868/gateway/e4e124dadef64eee/event/mesh", {
        ...gateway,
        relayId: "01020304",
        events: [{ heartbeat: { relayPath: [] } }],
      }),
      message("eu868/gateway/e4e124dadef64eee/event/stats", { ...gateway, rxPacketsReceived: 3 }),
      message("eu868/gateway/e4e124dadef64eee/state/conn", { gatewayId: gateway.gatewayId, state: "ONLINE" }),
    );
    assert.deepEqual(chunk.quarantined, []);
    assert.deepEqual(
      chunk.ready.map(textOf).map((text) => [text.split(",")[0], /,event=(\w+)/.exec(text)?.[1]]),
      [...kinds, "mesh"].map((kind) => {
        if (kind === "status") return ["device_status", undefined];
        return [kind === "mesh" ? "gateway_event" : "device_event", kind];
      }),
    );
    assert.deepEqual([chunk.done, counters.projected, counters.unmapped.size], [[9, 10], 2, 0]);
  });

  test("a copy waits for the first one; a copy of a delivered one is done and counted", () => {
    const { run, deps, counters } = setUp();
    const first = run(uplink(1), uplink(1));
    assert.deepEqual([first.ready.map(({ seq }) => seq), first.done], [[1], []]);
    assert.equal(
      counters.duplicates,
      0,
      "a follower is counted when it is done, however often it is examined",
    );
    deps.deduplicator.delivered(1);
    assert.deepEqual(run(uplink(1)).done, [3]);
    assert.equal(counters.duplicates, 1);
  });

  test("without an id and a time only the broker's word makes a copy", () => {
    const noId = uplink(1, { deduplicationId: "", time: undefined, rxInfo: [] });
    const { run } = setUp();
    assert.deepEqual(
      run(noId, noId).ready.map(({ seq }) => seq),
      [1, 2],
    );
    assert.deepEqual(run({ ...noId, duplicate: true }).ready, []);
  });

  test("parts that did not fit are told to whoever delivers, and not counted before", () => {
    const { run, counters } = setUp();
    const [ready] = run(uplink(1, { fCnt: "many", dr: -3 })).ready;
    assert.equal(ready?.droppedCount, 2);
    assert.equal(counters.droppedParts, 0);
  });

  test("while the clock is not trusted, uplinks without GPS time wait, and nothing is counted or marked as seen", () => {
    const { run, deps, counters } = setUp({ clock: notReleased });
    const chunk = run({ ...uplink(1), ...untrusted }, { ...uplink(2) }, { ...junk(3), ...untrusted });
    assert.deepEqual(chunk.waitForClock, [1]);
    assert.deepEqual(
      chunk.ready.map(({ seq }) => seq),
      [2],
      "one received under a trusted clock does not wait",
    );
    assert.deepEqual(
      chunk.quarantined.map(({ message }) => message.seq),
      [3],
    );
    const [, later] = [counters, prepare(new MemoryLog().read(1, 1, 1), deps)];
    assert.deepEqual(later.ready, []);
    assert.equal(deps.deduplicator.examine({ seq: 9, source: "mqtt", ...uplink(1) }, true), "new");
  });

  test("GPS time needs no clock of ours", () => {
    const rxInfo = [
      { gatewayId: "e4e124dadef64eee", timeSinceGpsEpoch: "1433853910.653s", rssi: -68, crcStatus: "CRC_OK" },
    ];
    const { run } = setUp({ clock: notReleased });
    assert.deepEqual(
      run({ ...uplink(1, { rxInfo }), ...untrusted }).ready.map(({ seq }) => seq),
      [1],
    );
  });

  test("a receive time under a wrong clock is mended by the boot's offset", () => {
    const noTime = { time: "2012-01-01T00:00:00Z", rxInfo: [] };
    const wrong = { ...uplink(1, noTime), ...untrusted, receivedMs: 5, uptimeMs: 1234.6, bootKey: 3 };
    const offsetMs = (key: number): number | undefined => (key === 3 ? Date.UTC(2026, 5, 1) : undefined);
    const mended = setUp({ offsetMs }).run(wrong);
    assert.deepEqual(timeOf(textOf(mended.ready[0])), {
      timeMs: Date.UTC(2026, 5, 1) + 1235,
      source: "received",
    });
    const notMended = setUp({ offsetMs }).run({ ...wrong, bootKey: 4 });
    assert.deepEqual(timeOf(textOf(notMended.ready[0])), { timeMs: 5, source: "received" });
    const trusted = setUp({ offsetMs }).run({
      ...wrong,
      clockTrusted: true,
      receivedMs: Date.UTC(2026, 2, 1),
    });
    assert.deepEqual(timeOf(textOf(trusted.ready[0])), {
      timeMs: Date.UTC(2026, 2, 1),
      source: "received",
    });
  });

  test("the event's time is believed unless the mended clock says that it is far ahead", () => {
    const offsetMs = (): number => Date.UTC(2026, 0, 1);
    const ahead = uplink(1, { time: "2030-01-01T00:00:00Z", rxInfo: [] });
    const { run } = setUp({ offsetMs });
    const [known] = run({ ...ahead, ...untrusted, uptimeMs: 10 }).ready;
    assert.equal(timeOf(textOf(known)).source, "received");
    const [unknown] = setUp().run({ ...ahead, ...untrusted }).ready;
    assert.deepEqual(timeOf(textOf(unknown)), { timeMs: Date.UTC(2030, 0, 1), source: "event" });
  });

  test("an uplink with GPS time has the same time before and after the clock is right", () => {
    const rxInfo = [{ gatewayId: "e4e124dadef64eee", timeSinceGpsEpoch: "1433853910.653s", rssi: -68 }];
    const ahead = { ...uplink(1, { time: "2030-01-01T00:00:00Z", rxInfo }), ...untrusted, uptimeMs: 10 };
    const before = setUp({ clock: notReleased }).run(ahead).ready[0];
    const after = setUp({ offsetMs: () => Date.UTC(2026, 0, 1) }).run(ahead).ready[0];
    assert.deepEqual(timeOf(textOf(before)), { timeMs: Date.UTC(2030, 0, 1), source: "event" });
    assert.deepEqual(timeOf(textOf(after)), timeOf(textOf(before)));
  });

  test("each message is marked while it is decoded, and none afterwards", () => {
    const seen: [string, bigint][] = [];
    const { run } = setUp({
      decode: (topic, payload) => {
        seen.push([topic, marked()]);
        return decode(topic, payload);
      },
    });
    run({ topic: "a", payload: junk(1).payload }, { topic: "b", payload: junk(2).payload });
    assert.deepEqual(seen, [
      ["a", 1n],
      ["b", 2n],
    ]);
    assert.equal(marked(), 0n);
  });

  test("a decoder that throws leaves the mark for the next process", () => {
    const { run } = setUp({
      decode: () => {
        throw new Error("a bug");
      },
    });
    assert.throws(() => run(uplink(1)), /a bug/);
    assert.equal(marked(), 1n);
    marker.clear();
  });

  test("the same message gives the same lines at each try", () => {
    const message: JournalMessage = new MemoryLog().append(uplink(7));
    const texts = [1, 2].map(() => textOf(prepare([message], setUp().deps).ready[0]));
    assert.ok(texts[0] !== undefined);
    assert.equal(texts[0], texts[1]);
  });
});

describe("prepare: retained messages", () => {
  const timeless = { time: undefined, rxInfo: [] };

  test("one without a time of its own is not written, and counted; a live one is", () => {
    const { run, counters } = setUp();
    const chunk = run({ ...uplink(1, timeless), retained: true }, uplink(2, timeless));
    assert.deepEqual([chunk.done, counters.retained], [[1], 1]);
    assert.deepEqual(
      chunk.ready.map(({ seq }) => seq),
      [2],
    );
  });

  test("a time that nobody believes is none", () => {
    const { run, counters } = setUp();
    const odd = { time: "2012-01-01T00:00:00Z", rxInfo: [] };
    assert.deepEqual(run({ ...uplink(1, odd), retained: true }).done, [1]);
    assert.equal(counters.retained, 1);
  });

  test("one with its own time is written, and known again when the broker sends it again", () => {
    const { run, deps, counters } = setUp();
    // Without an id or a time of the event itself only the flag says that it may be a copy.
    const retained = { ...uplink(1, { deduplicationId: "", time: undefined }), retained: true };
    assert.equal(timeOf(textOf(run(retained).ready[0])).source, "network_server");
    deps.deduplicator.delivered(1);
    assert.deepEqual(run(retained).done, [2]);
    assert.deepEqual([counters.duplicates, counters.retained], [1, 0]);
  });

  test("while the clock is not trusted it waits like others: whether its time is believed is not known yet", () => {
    const { run, counters } = setUp({ clock: notReleased });
    const chunk = run({ ...uplink(1, timeless), retained: true, ...untrusted });
    assert.deepEqual([chunk.waitForClock, chunk.done, counters.retained], [[1], [], 0]);
  });
});

describe("prepare: rows of our own", () => {
  const facts = { source: "mqtt", tenantId: "", tenantName: "", applicationId: "", applicationName: "" };
  const row = {
    table: "gateway_stats",
    tags: [{ name: "gateway_id", value: "e4e124dadef64eee" }],
    fields: [{ name: "rx_received", type: "integer", value: 7 }],
    timeNs: 1_767_225_600_000_000_001n,
  } as const;
  const own = (points: readonly Point[], to: RouteFacts = facts) => ({
    source: ownSource,
    topic: ownTopic,
    payload: packOwn({ points, facts: to }),
  });

  test("are written as they are, at once, and nobody decodes them", () => {
    const { run } = setUp({
      clock: notReleased,
      decode: () => {
        throw new Error("decoded");
      },
    });
    const [ready] = run({
      ...own([row, { ...row, table: "flightline_node" }]),
      ...untrusted,
      retained: true,
    }).ready;
    assert.equal(
      textOf(ready),
      "gateway_stats,gateway_id=e4e124dadef64eee rx_received=7i 1767225600000000001\n" +
        "flightline_node,gateway_id=e4e124dadef64eee rx_received=7i 1767225600000000001",
    );
  });

  test("are told from what brokers sent, whatever a broker calls its topic", () => {
    const { ready } = setUp().run(own([row]), uplink(1), { ...uplink(2), topic: ownTopic });
    assert.deepEqual(
      ready.map(({ seq, isOwn }) => [seq, isOwn]),
      [
        [1, true],
        [2, false],
        [3, false],
      ],
    );
  });

  test("are fitted to the columns that the database has", () => {
    const schema = new MemorySchema();
    schema.learn([{ table: "gateway_stats", column: "rx_received", type: "float" }]);
    assert.match(textOf(setUp({ schema }).run(own([row])).ready[0]), / rx_received=7 /);
  });

  test("go where an event with their facts would", () => {
    const isMine = ({ tenantName }: RouteFacts): boolean => tenantName === "farm";
    const { run } = setUp({ destination: { name: "farm", isMine, isDefault: false } });
    const chunk = run(own([row], { ...facts, tenantName: "farm" }), own([row]), own([]));
    assert.deepEqual([chunk.ready.map(({ seq }) => seq), chunk.done], [[1], []]);
    const { run: runMain, counters } = setUp();
    assert.deepEqual(runMain(own([])).done, [1], "without a row there is nothing to send");
    assert.deepEqual([...counters.unmapped], [[ownTopic, 1]]);
  });

  test("what cannot be read is quarantined, once, whoever it was for", () => {
    const torn = { ...own([row]), payload: Buffer.from('{"version":1,"points":[["gateway_st') };
    const [entry] = setUp().run(torn).quarantined;
    assert.equal(entry?.fault.code, "own_row_unreadable");
    const isMine = (): boolean => true;
    const chunk = setUp({ destination: { name: "farm", isMine, isDefault: false } }).run(torn);
    assert.deepEqual([chunk.quarantined, chunk.ready, chunk.done], [[], [], []]);
  });
});

describe("prepare: destinations", () => {
  const isFarm = ({ tenantName }: RouteFacts): boolean => tenantName === "farm";
  const farm: Destination = { name: "farm", isMine: isFarm, isDefault: false };
  const rest: Destination = { name: "main", isMine: (facts) => !isFarm(facts), isDefault: true };
  const gateway = { gatewayId: "e4e124dadef64eee" };
  const messages = [
    uplink(1),
    uplink(2, { deviceInfo: { tenantName: "town", devEui: "0000000000000002" } }),
    junk(3),
    command(4),
    message("eu868/gateway/e4e124dadef64eee/state/conn", { ...gateway, state: "ONLINE" }),
    { ...uplink(6, { time: undefined, rxInfo: [] }), retained: true },
    deviceMessage("status"),
    { ...uplink(8), ...untrusted },
  ];

  test("each message is exactly one destination's, and only that one counts, examines or keeps it", () => {
    const seqsOf = (destination: Destination) => {
      const examined: number[] = [];
      const deduplicator = new Deduplicator(100);
      const { run, counters } = setUp({
        destination,
        clock: notReleased,
        deduplicator: Object.assign(deduplicator, {
          examine: (one: JournalMessage) => (examined.push(one.seq), "new" as const),
        }),
      });
      const { ready, done, quarantined, waitForClock } = run(...messages);
      return {
        ready: ready.map(({ seq }) => seq),
        done,
        quarantined: quarantined.map(({ message: { seq } }) => seq),
        waitForClock,
        examined,
        counted: [total(counters.unmapped), counters.projected, counters.retained],
      };
    };
    assert.deepEqual(seqsOf(farm), {
      ready: [1, 7],
      done: [6],
      quarantined: [],
      waitForClock: [8],
      examined: [1, 7],
      counted: [0, 0, 1],
    });
    assert.deepEqual(seqsOf(rest), {
      ready: [2],
      done: [4, 5],
      quarantined: [3],
      waitForClock: [],
      examined: [2],
      counted: [1, 1, 0],
    });
  });
});

describe("prepare: columns", () => {
  function typed(type: ColumnType): MemorySchema {
    const schema = new MemorySchema();
    schema.learn([{ table: "telemetry_em300_th", column: "temperature", type }]);
    return schema;
  }

  test("a value of another type than its column goes beside it", () => {
    const [ready] = setUp({ schema: typed("string") }).run(uplink(1)).ready;
    assert.match(textOf(ready), /^telemetry_em300_th,.*temperature_num=20\.1/m);
    assert.doesNotMatch(textOf(ready), /temperature=/);
  });

  test("what finds no room is said once for each device profile and table", () => {
    const schema = new MemorySchema();
    for (let n = 0; n < 200; n += 1) schema.columnsOf("telemetry_em300_th").set(`c${n}`, "float");
    const { run, faults, counters } = setUp({ schema });
    const [ready] = run(
      uplink(1, { object: { temperature: 1, humidity: 2 } }),
      uplink(2, { object: { temperature: 3 } }),
    ).ready;
    assert.ok(ready !== undefined && !textOf(ready).includes("temperature"), "the row goes without it");
    assert.match(textOf(ready), /^telemetry_em300_th,.*f_cnt=1i,.*fields_left_out=2i /m);
    assert.equal(counters.fieldsLeftOut, 3);
    assert.deepEqual(
      faults.map(({ code, layer, disposition }) => [code, layer, disposition]),
      [["fields_left_out", "device", "drop"]],
    );
    assert.match(
      faults[0]?.message ?? "",
      /"telemetry_em300_th" is full and has no room for .*"temperature".*"EM300-TH"/,
    );
  });

  test("items without a usable time are told apart from what finds no room, and counted with it", () => {
    const history = [{ timestamp: 3, temperature: 27 }];
    const wide = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`key${n}`, n]));
    const { run, faults, counters } = setUp();
    const ready = run(uplink(1, { object: { history } }), uplink(2, { object: wide })).ready;
    assert.match(textOf(ready[0]), /^telemetry_em300_th,.*fields_left_out=1i /m);
    const told = /^telemetry_em300_th,.*fields_left_out=(\d+)i/m.exec(textOf(ready[1]))?.[1];
    assert.equal(counters.fieldsLeftOut, 1 + Number(told));
    assert.deepEqual(
      faults.map(({ message, hint = "" }) => [
        /takes no items without a usable time|does not take/.exec(message)?.[0],
        /clock|drop/.exec(hint)?.[0],
      ]),
      [
        ["takes no items without a usable time", "clock"],
        ["does not take", "drop"],
      ],
    );
  });

  test("what the mapping leaves out is said too", () => {
    const object = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`key${n}`, n]));
    const { run, faults, counters } = setUp();
    const [ready] = run(uplink(1, { object })).ready;
    assert.match(faults[0]?.message ?? "", /and \d+ more/);
    const told = /fields_left_out=(\d+)i/.exec(textOf(ready))?.[1];
    assert.ok(told !== undefined);
    assert.equal(counters.fieldsLeftOut, Number(told), "counted once, whoever left it out");
  });
});

describe("a table that somebody else has laid out", () => {
  test("a tag or column of ours that goes beside theirs is told once, and the row is written", () => {
    const schema = new MemorySchema();
    schema.learn([
      { table: "uplink", column: "dev_eui", type: "string" },
      { table: "uplink", column: "f_cnt", type: "string" },
    ]);
    const { faults, run } = setUp({ schema });
    const text = textOf(run(uplink(1), uplink(2)).ready[0]);
    assert.match(text, /^uplink,(?:.*,)?dev_eui_tag=\S+ (?:.*,)?f_cnt_num=/m);
    const told = faults.map(({ code, message: words }) => [code, /column "(\w+)"/.exec(words)?.[1]]);
    assert.deepEqual(told, [
      ["column_taken", "dev_eui"],
      ["column_taken", "f_cnt"],
    ]);
  });
});
