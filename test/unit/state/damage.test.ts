/** Damage of state.db that shows while it is in use: marked at once, moved aside by the next start. */
import assert from "node:assert/strict";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import Database from "better-sqlite3";
import { State } from "../../../src/state/state.ts";

const nowMs = Date.UTC(2026, 2, 1);
const pageBytes = 4096;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-state-damage-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function open(t: TestContext, dir: string): State {
  const state = State.open(dir, nowMs);
  t.after(() => {
    state.close();
  });
  return state;
}

/** The first page of the table. */
function pageOf(dir: string, table: string): number {
  const database = new Database(join(dir, "state.db"), { readonly: true });
  try {
    const root = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").pluck();
    return Number(root.get(table));
  } finally {
    database.close();
  }
}

/** As a failing disk does, under the feet of who has the file open. */
function ruin(dir: string, page: number): void {
  const fd = openSync(join(dir, "state.db"), "r+");
  writeSync(fd, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, (page - 1) * pageBytes);
  closeSync(fd);
}

const key = { seq: 1, source: "main", topic: "t", payload: Buffer.from("x"), receivedMs: nowMs };
const message = { ...key, uptimeMs: 1, bootKey: 1, clockTrusted: true, retained: false };

interface Use {
  readonly what: string;
  /** Or index, of which no page was read while the file was opened. */
  readonly table: string;
  readonly use: (state: State) => unknown;
}

const uses: readonly Use[] = [
  {
    what: "a read of a row",
    table: "client",
    use: (state) => state.sessionFilters("flightline-a"),
  },
  {
    what: "a read of many rows",
    table: "quarantine_code",
    use: (state) => state.quarantined.countsBy("code"),
  },
  {
    what: "a row by row reading",
    table: "dead_letter_device",
    use: (state) => state.letters.page({ device: "00" }, 0, { maxCount: 10, maxBytes: 1000 }),
  },
  {
    what: "a write",
    table: "death",
    use: (state) => state.recordDeath("journal-a", 7),
  },
  {
    what: "a write that gives its fault back",
    table: "client",
    use: (state) => {
      const fault = state.recordSession("flightline-a", ["#"]);
      if (fault !== undefined) throw fault;
    },
  },
  {
    what: "a transaction",
    table: "quarantine_code",
    use: (state) =>
      state.quarantined.keep("journal-a", [{ ...message, code: "decode_empty", reason: "r" }], nowMs),
  },
];

/** SQLite's own words, from where they cannot be had by ruining a page: what is under it is then whole. */
function corrupt(): Error {
  return new Database.SqliteError("database disk image is malformed", "SQLITE_CORRUPT");
}

test("a COMMIT that meets damage marks the file, and the next start moves it aside", (t) => {
  const dir = folder(t);
  const transaction = Reflect.get(Database.prototype, "transaction") as (body: () => void) => () => void;
  let isBroken = false;
  let done = 0;
  t.mock.method(Database.prototype, "transaction", function (this: Database.Database, body: () => void) {
    const execute = transaction.call(this, body);
    return () => {
      execute();
      done += 1;
      if (isBroken) throw corrupt();
    };
  });
  const state = open(t, dir);
  isBroken = true;
  done = 0;
  assert.throws(
    () => state.quarantined.keep("journal-a", [{ ...message, code: "decode_empty", reason: "r" }], nowMs),
    { code: "state_damaged", disposition: "restart" },
  );
  assert.equal(done, 1, "no statement in it failed");
  assert.ok(existsSync(join(dir, "state.damaged")));
  isBroken = false;
  state.close();
  assert.deepEqual(
    open(t, dir).openingFaults.map(({ code }) => code),
    ["database_moved_aside"],
  );
});

test("a checkpoint that meets damage marks the file", (t) => {
  const dir = folder(t);
  const checkpoints: string[] = [];
  const pragma: unknown = Reflect.get(Database.prototype, "pragma");
  assert.ok(typeof pragma === "function");
  t.mock.method(Database.prototype, "pragma", function (this: Database.Database, ...asked: unknown[]) {
    if (asked[0] !== "wal_checkpoint(PASSIVE)") return Reflect.apply(pragma, this, asked) as unknown;
    checkpoints.push(asked[0]);
    throw corrupt();
  });
  const state = open(t, dir);
  const large = { ...message, payload: Buffer.alloc(256 * 1024), code: "decode_empty", reason: "r" };
  assert.throws(
    () => {
      for (let seq = 1; seq < 100; seq += 1) state.quarantined.keep("journal-a", [{ ...large, seq }], nowMs);
    },
    { code: "state_damaged", disposition: "restart" },
  );
  assert.deepEqual(checkpoints, ["wal_checkpoint(PASSIVE)"]);
  assert.ok(existsSync(join(dir, "state.damaged")));
});

for (const { what, table, use } of uses) {
  test(`${what} that meets damage marks the file, and the next start moves it aside and goes on`, (t) => {
    const dir = folder(t);
    open(t, dir).close();
    const page = pageOf(dir, table);
    const state = open(t, dir);
    ruin(dir, page);
    assert.throws(() => use(state), { code: "state_damaged", disposition: "restart", layer: "journal" });
    assert.ok(existsSync(join(dir, "state.damaged")));
    state.close();
    const next = open(t, dir);
    assert.deepEqual(
      next.openingFaults.map(({ code }) => code),
      ["database_moved_aside"],
    );
    assert.ok(!existsSync(join(dir, "state.damaged")));
    assert.ok(
      readdirSync(dir).some((name) => name.startsWith("state.db.unusable-")),
      "the old one is kept",
    );
    use(next);
  });
}
