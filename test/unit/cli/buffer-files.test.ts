/** `flightline buffer` without a daemon, and files that it must leave alone. */
import assert from "node:assert/strict";
import {
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { bufferStatsCommand } from "../../../src/cli/buffer.ts";
import { lockDirectory, shareDirectory } from "../../../src/journal/lock.ts";
import {
  exitCode,
  fill,
  filled,
  findOptions,
  list,
  purge,
  requeue,
  run,
  type Site,
  site,
  stamp,
  startMs,
  stats,
} from "./buffer-fixture.ts";

/** By name, without what SQLite makes beside every WAL database. */
function contents({ dataDir }: Site): Record<string, string> {
  const names = readdirSync(dataDir).filter((name) => {
    const isEmptyWal = name.endsWith("-wal") && readFileSync(join(dataDir, name)).length === 0;
    return !name.endsWith("-shm") && !isEmptyWal;
  });
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dataDir, name), "base64")]));
}

/** Everything but the first page. */
function overwrite(file: string, from: number): void {
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.fill(0xa5, from));
}

describe("the files", () => {
  test("are not touched while somebody else has their directory", async (t) => {
    const place = filled(t);
    const lock = lockDirectory(place.dataDir);
    const said = await list(place);
    lock.release();
    assert.deepEqual([said.code, said.out], [exitCode.failed, ""]);
    assert.match(said.err, /\[journal_locked\]/);
    assert.match(said.err, /does not answer at .*control\.sock.*: wait until it has started, or .*--socket/);
    assert.doesNotMatch(said.err, /dir of its own/);
    const other = lockDirectory(place.dataDir);
    assert.match((await purge(place, { all: true })).err, /does not answer at .*--socket/);
    other.release();
  });

  test("may be looked at by several at the same time, and then no daemon comes", async (t) => {
    const place = filled(t);
    lockDirectory(place.dataDir).release();
    using _looking = shareDirectory(place.dataDir, "hint");
    assert.equal((await list(place)).code, exitCode.done);
    assert.throws(() => lockDirectory(place.dataDir), { code: "journal_locked" });
  });

  test("looked at are as they were: nothing is made, moved or changed in them", async (t) => {
    const place = filled(t);
    const before = contents(place);
    assert.equal((await list(place)).code, exitCode.done);
    await stats(place);
    assert.deepEqual(contents(place), before);
  });

  test("that cannot be read are left as they are by all commands, and it is said what to do", async (t) => {
    const spoiled: Readonly<Record<string, readonly [spoil: (dir: string) => void, said: RegExp]>> = {
      "a newer state.db": [
        (dir) => stamp(join(dir, "state.db"), "user_version = 999"),
        /state\.db was written by a newer Flightline \(schema 999, .*use the flightline that wrote it/s,
      ],
      "an older state.db": [
        (dir) => stamp(join(dir, "state.db"), "user_version = 1"),
        /state\.db was written by an older Flightline.*start flightline/s,
      ],
      "another program's": [
        (dir) => stamp(join(dir, "state.db"), "application_id = 77"),
        /state\.db belongs to another program.*next start of flightline moves it aside/s,
      ],
      garbage: [
        (dir) => writeFileSync(join(dir, "state.db"), Buffer.alloc(8192, "garbage ")),
        /state\.db is not a SQLite database.*next start of flightline/s,
      ],
      "a state.db that is gone": [(dir) => rmSync(join(dir, "state.db")), /state\.db is empty or not there/],
      "a mark of damage": [
        (dir) => writeFileSync(join(dir, "state.damaged"), '{"why":"is damaged"}'),
        /state\.db is damaged.*next start of flightline/s,
      ],
      "a damaged page of state.db": [
        (dir) => overwrite(join(dir, "state.db"), 4096),
        /state\.db (?:is damaged|cannot be read to its end)/,
      ],
      "a mark at the journal": [
        (dir) => writeFileSync(join(dir, "journal.damaged"), '{"why":"is damaged"}'),
        /journal\.db is damaged.*next start of flightline/s,
      ],
      "a newer journal": [
        (dir) => stamp(join(dir, "journal.db"), "user_version = 999"),
        /journal\.db has schema 999.*use the flightline that wrote it/s,
      ],
      "an emptied journal with its WAL": [
        (dir) => {
          truncateSync(join(dir, "journal.db"));
          writeFileSync(join(dir, "journal.db-wal"), "the newest commits");
        },
        /journal\.db is empty or gone while its WAL is not/,
      ],
      "an emptied journal": [
        (dir) => truncateSync(join(dir, "journal.db")),
        /the journal in .* was replaced or emptied from outside; what it held is gone.*\[journal_vanished\]/s,
      ],
    };
    for (const [what, [spoil, expected]] of Object.entries(spoiled)) {
      const place = filled(t);
      spoil(place.dataDir);
      const before = contents(place);
      const said = [
        await run(async (io) => await bufferStatsCommand({ ...findOptions(place), json: true }, io)),
        await list(place),
        await requeue(place, { all: true }),
        await purge(place, { all: true }),
      ];
      for (const { code, out, err } of said) {
        assert.deepEqual([code, out], [exitCode.failed, ""], what);
        assert.match(err, expected, what);
      }
      assert.deepEqual(contents(place), before, what);
    }
  });

  test("are not made where there are none", async (t) => {
    const place = site(t);
    const said = await list(place);
    assert.match(said.err, /\[journal_absent\]/);
    assert.deepEqual(readdirSync(place.dataDir), []);
  });

  test("that are no journal are left as they are", async (t) => {
    const place = site(t);
    const garbage = Buffer.alloc(8192, "garbage ");
    writeFileSync(join(place.dataDir, "journal.db"), garbage);
    assert.equal((await list(place)).code, exitCode.failed);
    assert.deepEqual(readFileSync(join(place.dataDir, "journal.db")), garbage);
    assert.deepEqual(readdirSync(place.dataDir), ["journal.db"]);
  });

  test("of another user are left to him, and the way is told", async (t) => {
    if (process.geteuid?.() !== 0) {
      t.skip("only root can make files another user's");
      return;
    }
    const place = filled(t);
    chownSync(join(place.dataDir, "journal.db"), 65_534, 65_534);
    const before = readdirSync(place.dataDir);
    const said = await list(place);
    assert.match(said.err, /\[buffer_other_user\]\n.*sudo -u '#65534'/);
    assert.deepEqual(readdirSync(place.dataDir), before);
  });

  test("keep what the registry may still have to read, however old", async (t) => {
    const place = site(t, 'keep_settled = "0s"');
    fill(place);
    await purge(place, { pending: true });
    assert.deepEqual((await stats(place))["settled"], { atMost: 6, oldestReceivedMs: startMs + 1000 });
  });

  test("of an unclean stop stay so for the next daemon; of a clean one, too", async (t) => {
    const place = filled(t);
    const pid = join(place.dataDir, "flightline.pid");
    await list(place);
    assert.equal(existsSync(pid), false);
    writeFileSync(pid, "4711\n");
    await purge(place, { all: true });
    assert.equal(existsSync(pid), true);
  });
});
