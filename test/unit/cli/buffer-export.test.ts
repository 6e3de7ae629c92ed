import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import { bufferExportCommand, type ExportOptions } from "../../../src/cli/buffer-export-command.ts";
import { databaseKey } from "../../../src/influx/schema-cache.ts";
import type { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage, JournalMessage } from "../../../src/journal/message.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { LeftOutReport } from "../../../src/pipeline/left-out.ts";
import { ownSource, ownTopic, packOwn } from "../../../src/pipeline/own-message.ts";
import { prepare } from "../../../src/pipeline/prepare.ts";
import type { OffsetOf } from "../../../src/pipeline/received-time.ts";
import { readBootId } from "../../../src/systemd/boot-id.ts";
import { MemorySchema } from "../../support/fakes/schema.ts";
import { numbersIn, uplink } from "../../support/uplinks.ts";
import {
  collector,
  exitCode,
  fill,
  findOptions,
  received,
  refused,
  run,
  type Said,
  type Site,
  site,
  startMs,
  undecodable,
} from "./buffer-fixture.ts";

async function exported(place: Site, flags: Partial<ExportOptions>): Promise<Said> {
  const { stdout, text } = collector();
  const options = { ...findOptions(place), ndjson: false, lines: false, output: undefined, stdout, ...flags };
  const said = await run(async (io) => await bufferExportCommand(options, io));
  return { ...said, out: text() };
}

describe("ndjson", () => {
  test("has every byte of every message, and what it says where it is JSON", async (t) => {
    const place = site(t);
    const payload = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    place.edit(({ journal, state }) => {
      journal.commit([received(1)]);
      state.quarantined.keep(journal.id, [undecodable(2, { payload })], startMs);
      state.letters.bury(journal.id, [refused(3, "a f=1 1")], startMs);
    });
    const { out, err } = await exported(place, { ndjson: true });
    const rows = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const bytes = rows.map((row) => Buffer.from(String(row["payload"]), "base64"));
    assert.deepEqual(bytes, [received(1).payload, payload, received(3).payload]);
    assert.deepEqual(rows[0]?.["decoded"], JSON.parse(received(1).payload.toString()));
    assert.equal("decoded" in (rows[1] ?? {}), false);
    const { key, kind, source, topic, received_ms: at, line } = rows[2] ?? {};
    const { topic: sentTo } = received(3);
    assert.deepEqual(
      [key, kind, source, topic, at, line],
      ["d1", "dead", "main", sentTo, startMs + 3000, "a f=1 1"],
    );
    assert.match(err, /^Exported 3 rows\.\nWhat comes later: --after p1 --after q1 --after d1\n/);
  });

  test("goes on where it ended, row by row, as one export does", async (t) => {
    const place = site(t);
    fill(place);
    const whole = (await exported(place, { ndjson: true })).out;
    const lines = whole.trimEnd().split("\n");
    const after: string[] = [];
    for (const line of lines) {
      const { key } = JSON.parse(line) as { readonly key: string };
      after.push(key);
      // Of each kind the last one.
      const last = ["p", "q", "d"].flatMap((kind) => after.filter((one) => one.startsWith(kind)).slice(-1));
      const rest = (await exported(place, { ndjson: true, after: last })).out;
      assert.equal(
        rest,
        lines
          .slice(after.length)
          .map((one) => `${one}\n`)
          .join(""),
      );
    }
  });

  test("goes to a file that appears when it is whole", async (t) => {
    const place = site(t);
    fill(place);
    const file = join(place.dataDir, "..", "out.ndjson");
    const { out, code } = await exported(place, { ndjson: true, output: file });
    assert.deepEqual([code, out], [exitCode.done, ""]);
    assert.equal(readFileSync(file, "utf8"), (await exported(place, { ndjson: true })).out);
    assert.equal(existsSync(`${file}.part`), false);
  });
});

/** Each tells whether it is decided. */
const decisions: Readonly<Record<string, (boots: Journal["boots"]) => boolean>> = {
  "not decided": () => false,
  "mended by an offset": (boots) => boots.learnOffset(startMs),
  "taken as it is": (boots) => boots.decideNoOffset(),
};

/** The nth uplink, of which nobody says when it was. */
function withoutTimes(n: number): Pick<IncomingMessage, "topic" | "payload"> {
  return uplink(n, { time: undefined, rxInfo: [] });
}

/** Lines of a daemon in that boot: once its clock is decided, all that it owes may be written. */
function writtenBy(
  t: TestContext,
  messages: readonly JournalMessage[],
  mayRelease: boolean,
  offsetMs: OffsetOf,
): { readonly lines: readonly string[]; readonly waiting: number } {
  const dir = mkdtempSync(join(tmpdir(), "flightline-export-"));
  const marker = new DecodeMarker(dir, "j");
  marker.arm();
  t.after(() => {
    marker.close();
    rmSync(dir, { recursive: true });
  });
  const { ready, waitForClock } = prepare(messages, {
    decoded: new DecodedEvents(decode, marker),
    deduplicator: new Deduplicator(100),
    clock: { mayRelease },
    offsetMs,
    settings: { tags: [], deviceTags: [], profiles: [] },
    schema: new MemorySchema(),
    mayClaim: () => true,
    finishedRows: () => undefined,
    isAgain: () => false,
    destination: { name: "lorawan", isMine: undefined, isDefault: true },
    leftOut: new LeftOutReport(() => {}),
    counters: newCounters(),
  });
  const lines = ready.flatMap((message) => message.lines.map(({ text }) => text));
  return { lines, waiting: waitForClock.length };
}

describe("line protocol", () => {
  test("has dead letters as they were refused, and pending ones as they would be written", async (t) => {
    const place = site(t, `[[route]]\nmatch = { tenant = "barn" }\ndatabase = "other"\n`);
    place.edit(({ journal, state }) => {
      const payload = Buffer.from(String(received(2).payload).replace('"farm"', '"barn"'));
      journal.commit([received(1), received(2, { payload }), received(3)]);
      const odd = 'a,b=c\\ d f="x \\" \u001b[2J" 1';
      state.letters.bury(journal.id, [refused(9, odd)], startMs);
    });
    const { out, err } = await exported(place, { lines: true });
    const [first = "", second = "", third = ""] = out.split(/^# CONTEXT-DATABASE: \w+\n/m).slice(1);
    assert.deepEqual(
      [...out.matchAll(/^# CONTEXT-DATABASE: (\w+)$/gm)].map(([, name]) => name),
      ["lorawan", "other", "lorawan"],
    );
    assert.deepEqual([numbersIn(first), numbersIn(second), numbersIn(third)], [[1], [2], [3]]);
    assert.match(first, /^telemetry_em300_th,.*temperature=20.1/m);
    assert.ok(out.endsWith('\na,b=c\\ d f="x \\" \u001b[2J" 1\n'));
    assert.match(err, /Exported \d+ lines of 4 rows\./);
  });

  test("knows the columns that InfluxDB has, and holds to those that the export itself makes", async (t) => {
    const place = site(t);
    place.edit(({ journal, state }) => {
      const odd = received(2);
      const payload = Buffer.from(
        String(odd.payload).replace(/"temperature":[\d.]+/, '"temperature":"warm","door":true'),
      );
      const later = Buffer.from(String(received(3).payload).replace(/"temperature":[\d.]+/, '"door":1.5'));
      journal.commit([received(1), { ...odd, payload }, { ...received(3), payload: later }]);
      const key = databaseKey({ url: "http://127.0.0.1:8181", database: "lorawan" });
      state.schema.save(key, [{ table: "telemetry_em300_th", column: "temperature", type: "string" }]);
    });
    const { out } = await exported(place, { lines: true });
    const telemetry = out.split("\n").filter((line) => line.startsWith("telemetry_em300_th"));
    assert.match(telemetry[0] ?? "", /temperature_num=20.1/);
    assert.match(telemetry[1] ?? "", /temperature="warm"/);
    assert.match(telemetry[1] ?? "", /door=true/);
    assert.match(telemetry[2] ?? "", /door_num=1.5/);
  });

  test("leaves out what has no lines yet, and says how much", async (t) => {
    const place = site(t);
    place.edit(({ journal }) => {
      const noGps = received(2, { clockTrusted: false });
      const untimed = Buffer.from(String(received(4).payload).replaceAll(/"(?:nsT|t)ime":"[^"]*",/g, ""));
      const kept = received(4, { payload: untimed, retained: true });
      journal.commit([received(1, { payload: Buffer.from("{") }), noGps, received(3), kept]);
    }, readBootId());
    const { out, err } = await exported(place, { lines: true });
    assert.deepEqual(numbersIn(out), [3]);
    assert.match(err, /1 message cannot be decoded/);
    assert.match(err, /1 message waits for a right clock/);
  });

  for (const [what, decide] of Object.entries(decisions)) {
    test(`is what the daemon would write where the boot's clock is ${what}`, async (t) => {
      const place = site(t);
      const owed: JournalMessage[] = [];
      let isDecided = false;
      let offsetMs: number | undefined;
      place.edit(({ journal }) => {
        const untrusted = { clockTrusted: false, receivedMs: Date.UTC(1970, 0, 2) };
        const stated = received(1, untrusted);
        const untimed = received(2, { ...untrusted, ...withoutTimes(2) });
        const kept = received(3, { ...untrusted, ...withoutTimes(3), retained: true });
        const gps = uplink(4, { rxInfo: [{ gatewayId: "01", timeSinceGpsEpoch: "1451347218s" }] });
        owed.push(
          ...journal.commit([stated, untimed, kept, received(4, { ...untrusted, ...gps }), received(5)]),
        );
        isDecided = decide(journal.boots);
        offsetMs = journal.boots.offsetMs(journal.boots.currentKey);
      }, readBootId());
      const written = writtenBy(t, owed, isDecided, () => offsetMs);
      const { out, err } = await exported(place, { lines: true });
      assert.equal(out, `# CONTEXT-DATABASE: lorawan\n${written.lines.join("\n")}\n`);
      const waits = /(\d+) messages? waits? for a right clock/.exec(err)?.[1] ?? "0";
      assert.equal(Number(waits), written.waiting);
      assert.ok(written.waiting === (isDecided ? 0 : 3));
    });
  }

  test("has what came in an earlier boot, of whose clock nothing more will be known", async (t) => {
    const place = site(t);
    const owed: JournalMessage[] = [];
    place.edit(({ journal }) => {
      owed.push(...journal.commit([received(1, { clockTrusted: false })]));
    }, "boot-before");
    place.edit(({ journal }) => assert.ok(journal.boots.learnOffset(startMs)), readBootId());
    const { out } = await exported(place, { lines: true });
    const { lines } = writtenBy(t, owed, true, () => undefined);
    assert.equal(out, `# CONTEXT-DATABASE: lorawan\n${lines.join("\n")}\n`);
  });

  test("has our own rows, too", async (t) => {
    const place = site(t);
    const facts = { source: "", tenantId: "", tenantName: "", applicationId: "", applicationName: "" };
    const point = {
      table: "gateway_stats",
      tags: [{ name: "gateway_id", value: "01" }],
      fields: [{ name: "rx_received", type: "integer", value: 7 } as const],
      timeNs: 5n,
    };
    place.edit(({ journal }) => {
      const payload = Buffer.from(packOwn({ points: [point], facts }));
      journal.commit([received(1, { source: ownSource, topic: ownTopic, payload })]);
    });
    const { out } = await exported(place, { lines: true });
    assert.equal(out, "# CONTEXT-DATABASE: lorawan\ngateway_stats,gateway_id=01 rx_received=7i 5\n");
  });
});

test("it is one form or the other, and quarantined ones have no lines", async (t) => {
  const place = site(t);
  for (const flags of [{}, { ndjson: true, lines: true }, { lines: true, key: ["q1"] }])
    assert.equal((await exported(place, flags)).code, exitCode.usage);
});
