import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { bufferStatsCommand } from "../../../src/cli/buffer.ts";
import { bufferResendCommand } from "../../../src/cli/buffer-changes.ts";
import { readBootId } from "../../../src/systemd/boot-id.ts";
import { uplink } from "../../support/uplinks.ts";
import {
  eui,
  exitCode,
  filled,
  findOptions,
  keys,
  list,
  purge,
  received,
  refused,
  requeue,
  rows,
  run,
  type Said,
  type Site,
  site,
  stamp,
  startMs,
  stats,
  undecodable,
} from "./buffer-fixture.ts";

describe("stats", () => {
  test("counts what there is by reason and database, since when, and what settled ones are kept", async (t) => {
    const place = filled(t);
    const said = await stats(place);
    assert.equal(said["way"], "files");
    const { pending, quarantined, dead, settled } = said;
    assert.deepEqual(pending, {
      count: 3,
      oldestReceivedMs: startMs + 4000,
      evicted: 0,
      evictedMinor: 0,
      purged: 0,
      unreadable: 0,
    });
    assert.deepEqual(quarantined?.["byCode"], { event_not_json: 1 });
    assert.deepEqual(dead?.["byCode"], { write_limit: 1, write_line_refused: 2 });
    assert.deepEqual(dead?.["byDatabase"], { lorawan: 3 });
    assert.equal(dead?.["oldestReceivedMs"], startMs + 1000);
    assert.deepEqual(settled, { atMost: 3, oldestReceivedMs: startMs + 1000 });
  });

  test("tell of journals that were moved aside, and of what could not be read in them", async (t) => {
    const place = filled(t);
    place.edit(({ state }) => {
      state.salvages.record("journal.db.unusable-old", { lost: 12, evicted: 3, evictedMinor: 1 });
    });
    const said = await run(
      async (io) => await bufferStatsCommand({ ...findOptions(place), json: false }, io),
    );
    assert.match(said.out, /^ +12 could not be read in a damaged journal, ever$/m);
    assert.match(said.out, /^ +3 evicted for newer ones, ever; 1 of them logs, txacks and statistics$/m);
  });

  test("say of each journal that was moved aside what is true of it, and what to do with it", async (t) => {
    const place = filled(t);
    const moved = (n: number): string =>
      join(place.dataDir, `journal.db.unusable-2026-01-0${n}T00-00-00-000Z`);
    writeFileSync(moved(1), "");
    for (const n of [2, 3]) copyFileSync(join(place.dataDir, "journal.db"), moved(n));
    stamp(moved(2), "user_version = 999");
    stamp(moved(3), "application_id = 77");
    // Read to its end.
    for (const name of [moved(4), `${moved(4)}.salvaged`]) writeFileSync(name, "");
    const { out } = await run(
      async (io) => await bufferStatsCommand({ ...findOptions(place), json: false }, io),
    );
    const lines = out.split("\n");
    const after = (n: number): string[] => {
      const at = lines.findIndex((line) => line.startsWith(moved(n)));
      return at < 0 ? [] : lines.slice(at, at + 2).map((line) => line.replace(moved(n), "").trim());
    };
    assert.match(after(1).join("; "), /may still be put back; start flightline/);
    assert.match(after(2).join("; "), /a newer Flightline wrote it.*not sent; install the newer.*or delete/);
    assert.match(after(3).join("; "), /another program's.*; see whose it is.*then delete it/);
    assert.deepEqual(after(4), []);
  });

  test("are a table for a person", async (t) => {
    const place = filled(t);
    const said = await run(
      async (io) => await bufferStatsCommand({ ...findOptions(place), json: false }, io),
    );
    assert.equal(said.code, exitCode.done);
    for (const line of [
      /pending +3, the oldest .*ago/,
      /dead lines +3/,
      /2 write_line_refused/,
      /3 in lorawan/,
    ])
      assert.match(said.out, line);
    assert.match(said.out, /no daemon runs/);
  });
});

describe("list", () => {
  test("shows pending, quarantined and dead ones in this order, with their devices and reasons", async (t) => {
    const found = rows(await list(filled(t)));
    assert.deepEqual(
      found.map(({ key, device, reason }) => [key, device, reason]),
      [
        ["p4", eui(4), undefined],
        ["p5", eui(5), undefined],
        ["p6", eui(6), undefined],
        ["q1", eui(100), "event_not_json"],
        ["d1", eui(1), "write_line_refused"],
        ["d2", eui(2), "write_limit"],
        ["d3", eui(1), "write_line_refused"],
      ],
    );
    assert.equal(found[4]?.["line"], "a f=1 1");
  });

  test("says of pending ones whether they wait for a right clock", async (t) => {
    const place = site(t);
    place.edit(({ journal }) => {
      const untrusted = { clockTrusted: false };
      const gps = uplink(3, { rxInfo: [{ gatewayId: "01", timeSinceGpsEpoch: "1451347218s" }] });
      journal.commit([received(1), received(2, untrusted), received(3, { ...untrusted, ...gps })]);
    }, readBootId());
    const said = rows(await list(place, { pending: true }));
    assert.deepEqual(
      said.map((row) => row["waits_for"]),
      [undefined, "clock_untrusted", undefined],
    );
    assert.match(
      (await list(place, { key: ["p2"], json: false })).out,
      /^p2 .* clock_untrusted +its time cannot be told .*: application/m,
    );
    place.edit(({ journal }) => {
      assert.ok(journal.boots.decideNoOffset());
    }, readBootId());
    assert.doesNotMatch((await list(place)).out, /waits_for/);
  });

  test("goes by kind, device, reason and key", async (t) => {
    const place = filled(t);
    assert.deepEqual(await keys(place, { pending: true }), ["p4", "p5", "p6"]);
    assert.deepEqual(await keys(place, { device: "00-00-00-00-A0-00-00-01" }), ["d1", "d3"]);
    assert.deepEqual(await keys(place, { device: eui(5) }), ["p5"]);
    assert.deepEqual(await keys(place, { device: eui(100), quarantined: true }), ["q1"]);
    assert.deepEqual(await keys(place, { reason: "write_limit" }), ["d2"]);
    assert.deepEqual(await keys(place, { key: ["d3", "p4", "q9", "p1"] }), ["d3", "p4"]);
  });

  test("is a page that says where the next one begins, for each kind", async (t) => {
    const place = filled(t);
    const first = await list(place, { limit: 4, json: false });
    assert.match(first.err, /There is more: --after p6 --after q1\n/);
    assert.deepEqual(await keys(place, { after: ["p6", "q1"], limit: 2 }), ["d1", "d2"]);
    const last = await list(place, { after: ["p6", "q1", "d2"], json: false });
    assert.equal(last.err, "");
    assert.match(last.out, /^KEY .*\nd3 /);
  });

  test("shows nothing that moves a cursor", async (t) => {
    const place = site(t);
    place.edit(({ journal, state }) => {
      const reason = "\u001b[2Jcolumn\u202e\nx";
      state.letters.bury(journal.id, [refused(1, "a\u001b[2J", { reason })], startMs);
    });
    for (const json of [true, false]) {
      const { out } = await list(place, { json });
      // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
      assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u202e]/);
    }
  });

  test("refuses what is no key, EUI or reason", async (t) => {
    const place = filled(t);
    for (const wrong of [
      { key: ["x1"] },
      { device: "12" },
      { reason: "Two Words" },
      { limit: 0 },
      { after: ["4"] },
    ]) {
      const { code, out } = await list(place, wrong);
      assert.deepEqual([code, out], [exitCode.usage, ""], JSON.stringify(wrong));
    }
  });
});

describe("requeue", () => {
  test("puts a dead message back once, whole, and all of its lines leave", async (t) => {
    const place = filled(t);
    const said = await requeue(place, { key: ["d1"] });
    assert.equal(said.out, "1 message (2 rows) back into the journal.\n");
    assert.deepEqual(await keys(place), ["p4", "p5", "p6", "p7", "q1", "d2"]);
    place.edit(({ journal }) => {
      const [back] = journal.read(7, 7, 1);
      const { source, topic, payload, receivedMs, uptimeMs, clockTrusted } = received(1);
      assert.deepEqual(
        [back?.source, back?.topic, back?.payload, back?.receivedMs, back?.uptimeMs, back?.clockTrusted],
        [source, topic, payload, receivedMs, uptimeMs, clockTrusted],
      );
      assert.deepEqual([back?.bootKey, back?.again, back?.firstPlace], [1, true, 1]);
    });
  });

  test("a message that comes back a second time keeps its first place", async (t) => {
    const place = site(t);
    place.edit(({ journal, state }) => {
      state.letters.bury(journal.id, [refused(5, "a f=1 1", { seq: 900, firstPlace: 5 })], startMs);
    });
    await requeue(place, { dead: true });
    place.edit(({ journal }) => assert.equal(journal.read(1, 1, 1)[0]?.firstPlace, 5));
  });

  test("a row of another journal has no boot here", async (t) => {
    const place = site(t);
    place.edit(({ state }) => {
      state.quarantined.keep("another", [undecodable(5, { clockTrusted: false })], startMs);
    });
    await requeue(place, { all: true });
    place.edit(({ journal }) => {
      const [back] = journal.read(1, 1, 1);
      assert.deepEqual([back?.bootKey, back?.clockTrusted], [0, false]);
    });
  });

  test("goes by reason, and needs a choice", async (t) => {
    const place = filled(t);
    assert.equal((await requeue(place, {})).code, exitCode.usage);
    assert.equal((await requeue(place, { key: ["p4"] })).code, exitCode.usage);
    await requeue(place, { reason: "write_limit" });
    assert.deepEqual(await keys(place, { dead: true, quarantined: true }), ["q1", "d1", "d3"]);
    await requeue(place, { all: true });
    assert.deepEqual(await keys(place), ["p4", "p5", "p6", "p7", "p8", "p9"]);
  });

  test("what lost its bytes stays, and that is said", async (t) => {
    const place = site(t);
    place.edit(({ journal, state }) => {
      state.letters.bury(journal.id, [refused(1, "a f=1 1", { payload: Buffer.alloc(0) })], startMs);
    });
    const { out } = await requeue(place, { dead: true });
    assert.match(out, /^0 messages .*\n1 dead line stays/);
    assert.deepEqual(await keys(place), ["d1"]);
  });

  test("thousands go in parts, none twice and none left", async (t) => {
    const place = site(t);
    place.edit(({ journal, state }) => {
      const entries = Array.from({ length: 1300 }, (_, index) => undecodable(index + 1));
      state.quarantined.keep(journal.id, entries, startMs);
    });
    const { out } = await requeue(place, { quarantined: true });
    assert.equal(out, "1,300 messages (1,300 rows) back into the journal.\n");
    place.edit(({ journal, state }) => {
      assert.equal(state.quarantined.count, 0);
      const payloads = new Set(journal.read(1, 2000, 2000).map(({ payload }) => String(payload)));
      assert.deepEqual([payloads.size, journal.backlog], [1300, 1300]);
    });
  });
});

describe("resend", () => {
  const resend = async (place: Site, flags: object): Promise<Said> =>
    await run(
      async (io) =>
        await bufferResendCommand(
          { ...findOptions(place), since: "", until: undefined, device: undefined, ...flags },
          io,
        ),
    );

  test("owes settled messages again by when they were received and by device, and warns", async (t) => {
    const place = filled(t);
    await purge(place, { dead: true });
    const since = new Date(startMs + 2000).toISOString();
    const said = await resend(place, { since, until: new Date(startMs + 3000).toISOString() });
    assert.equal(said.out, "1 settled message will be sent again.\n");
    assert.match(said.err, /other points/);
    assert.deepEqual(await keys(place, { pending: true }), ["p2", "p4", "p5", "p6"]);
    assert.equal(
      (await resend(place, { since: "3000w", device: eui(3) })).out,
      "1 settled message will be sent again.\n",
    );
    assert.deepEqual(await keys(place, { pending: true }), ["p2", "p3", "p4", "p5", "p6"]);
  });

  const receivedSince = { since: new Date(startMs).toISOString() };

  test("leaves out what was put back, quarantined or dead, and says how much", async (t) => {
    const place = site(t);
    place.edit(({ journal, state }) => {
      journal.commit([1, 2, 3, 4, 5, 6].map((n) => received(n)));
      journal.settle(1, 6);
      const aside = [1, 2, 3].map((n) => undecodable(n, received(n)));
      state.quarantined.keep(journal.id, aside, startMs);
      state.letters.bury(journal.id, [refused(4, "a f=1 1")], startMs);
    });
    await requeue(place, { key: ["q1", "q2"] });
    assert.deepEqual(await keys(place), ["p7", "p8", "q3", "d1"]);
    const first = await resend(place, receivedSince);
    assert.match(first.out, /^2 settled messages will be sent again\.\n4 settled messages are left out: /);
    assert.deepEqual(await keys(place, { pending: true }), ["p5", "p6", "p7", "p8"]);
    // The copies are done: each message once more, and no former self of it.
    place.edit(({ journal }) => {
      journal.settle(5, 8);
    });
    assert.match(
      (await resend(place, receivedSince)).out,
      /^4 settled messages.*\n4 settled messages are left/,
    );
    assert.deepEqual(await keys(place, { pending: true }), ["p5", "p6", "p7", "p8"]);
  });

  test("what could not be decoded and is put back again and again stays one row each", async (t) => {
    const place = site(t);
    let seq = 30;
    place.edit(({ journal, state }) => {
      journal.commit(Array.from({ length: seq }, (_, index) => received(index + 1)));
      journal.settle(1, seq);
      const all = Array.from({ length: seq }, (_, index) => undecodable(index + 1, received(index + 1)));
      state.quarantined.keep(journal.id, all, startMs);
    });
    for (let round = 0; round < 3; round += 1) {
      await requeue(place, { all: true });
      await resend(place, receivedSince);
      place.edit(({ journal, state }) => {
        const owed = journal.page({ state: "pending", withPayload: true }, 0, 1000).entries;
        const aside = owed.map(({ message }) => ({ ...message, code: "event_not_json", reason: "r" }));
        state.quarantined.keep(journal.id, aside, startMs);
        journal.settle(1, journal.lastSeq);
        seq = journal.lastSeq;
        assert.equal(state.quarantined.count, 30);
      });
    }
    assert.equal(seq, 120);
  });

  test("refuses what is no time", async (t) => {
    const place = filled(t);
    for (const since of ["yesterday", "", "12", "1066-10-14"])
      assert.equal((await resend(place, { since })).code, exitCode.usage, since);
  });
});

describe("purge", () => {
  test("is for good and counted, each kind for itself", async (t) => {
    const place = filled(t);
    const said = await purge(place, { all: true });
    assert.equal(
      said.out,
      "3 pending messages purged.\n1 quarantined message purged.\n3 dead lines purged.\n",
    );
    assert.deepEqual(await keys(place), []);
    const { pending, quarantined, dead } = await stats(place);
    assert.deepEqual(
      [pending?.["purged"], quarantined?.["purged"], dead?.["purged"], pending?.["count"]],
      [3, 1, 3, 0],
    );
    assert.equal((await purge(place, { all: true })).out, "There is nothing to purge.\n");
  });

  test("asks first, and no is no", async (t) => {
    const place = filled(t);
    const asked: string[] = [];
    const confirm = async (question: string): Promise<boolean> => {
      asked.push(question);
      return asked.length > 1;
    };
    const { code, err } = await purge(place, { dead: true, device: eui(1), yes: false, confirm });
    assert.deepEqual([code, err], [exitCode.failed, "Nothing was purged.\n"]);
    assert.match(asked[0] ?? "", /^2 dead lines will be gone for good/);
    assert.deepEqual((await keys(place)).length, 7);
    await purge(place, { dead: true, device: eui(1), yes: false, confirm });
    assert.deepEqual(await keys(place, { dead: true }), ["d2"]);
  });

  test("without a terminal and without --yes nothing is asked and nothing is purged", async (t) => {
    const place = filled(t);
    assert.equal((await purge(place, { all: true, yes: false })).code, exitCode.usage);
    assert.equal((await purge(place, {})).code, exitCode.usage);
    assert.equal((await keys(place)).length, 7);
  });
});
