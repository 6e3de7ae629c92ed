import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { describe, test, type TestContext } from "node:test";
import { tableFromArrays, tableFromIPC } from "apache-arrow";
import { exitCode } from "../../../src/cli/io.ts";
import { progressLine } from "../../../src/cli/query-progress.ts";
import type { Row } from "../../../src/influx/arrow/rows.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { minimal } from "../config/fixture.ts";
import { type Answer, ask, type Asking, column, controls, FakeClient } from "./query-fixture.ts";

const moment = "2026-11-22T08:00:00.123456789Z";
const columns = [column("time", "Timestamp<NANOSECOND>"), column("n", "Int64")];
const two: Answer = {
  columns,
  batches: [[{ time: moment, n: 2n ** 53n + 1n }], [{ time: moment, n: null }]],
};

/** From the start of the line, and it is empty. */
const cleared = "\r\u001b[2K";

function fault(code = "flight_test"): Fault {
  return new Fault({
    code,
    layer: "flight",
    disposition: "drop",
    message: "the server said\u001b[2J no",
    hint: "ask again",
  });
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-query-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** As many batches of as many rows, made when they are pulled. */
function* many(batches: number, rows: number): Generator<readonly Row[]> {
  for (let batch = 0; batch < batches; batch += 1) {
    yield Array.from({ length: rows }, (_, index) => ({ time: moment, n: BigInt(batch * rows + index) }));
  }
}

/** Takes a chunk when its function in `held` is called. */
function heldWriter(): { stdout: Writable; held: (() => void)[]; taken: () => string } {
  const held: (() => void)[] = [];
  let taken = "";
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      taken += chunk.toString();
      held.push(done);
    },
  });
  return { stdout, held, taken: () => taken };
}

async function turnsUntil(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, "it came to that");
    await turn();
  }
}

/** What can happen without anybody's doing has happened. */
async function turns(): Promise<void> {
  for (let count = 0; count < 50; count += 1) await turn();
}

describe("an answer", () => {
  test("is the same, exactly, in every format", async (t) => {
    const rows: readonly (readonly [string, string])[] = [
      ["csv", `time,n\n${moment},9007199254740993\n${moment},\n`],
      ["json", `[\n{"time":"${moment}","n":9007199254740993},\n{"time":"${moment}","n":null}\n]\n`],
      ["ndjson", `{"time":"${moment}","n":9007199254740993}\n{"time":"${moment}","n":null}\n`],
    ];
    for (const [format, text] of rows) {
      const client = new FakeClient(two);
      const { code, out, err } = await ask(t, client, { format });
      assert.deepEqual([code, out, err], [exitCode.done, text, ""], format);
      assert.deepEqual([client.cancelled, client.closed], [0, 1]);
    }
    const { out } = await ask(t, new FakeClient(two), { format: "table" });
    assert.match(
      out,
      new RegExp(`^${moment}  9007199254740993\n${moment}                 ∅\n\n2 rows in `, "m"),
    );
  });

  test("is a table for a person and CSV for a program", async (t) => {
    const screen = await ask(t, new FakeClient(two), { isTerminal: true, columns: 80 });
    assert.match(screen.out, /^time {43}n\n/);
    assert.ok(screen.out.includes("\u001b[2m"));
    const plain = await ask(t, new FakeClient(two), { isTerminal: true, env: { NO_COLOR: "1" } });
    assert.doesNotMatch(plain.out, controls);
    assert.match((await ask(t, new FakeClient(two))).out, /^time,n\n/);
  });

  test("of no rows still has its head", async (t) => {
    const none = { columns };
    assert.equal((await ask(t, new FakeClient(none))).out, "time,n\n");
    assert.match(
      (await ask(t, new FakeClient(none), { format: "table" })).out,
      /^time  n\n─+  ─\n\n0 rows in /,
    );
    assert.equal((await ask(t, new FakeClient(none), { format: "json" })).out, "[]\n");
    assert.equal((await ask(t, new FakeClient(none), { format: "ndjson" })).out, "");
  });

  test("as an Arrow stream is read back as what came, without rows too", async (t) => {
    const table = tableFromArrays({ n: BigInt64Array.of(1n, 2n ** 62n + 1n), text: ["a", "°"] });
    const arrow = { schema: table.schema, batches: [...table.batches, ...table.batches] };
    const client = new FakeClient({ arrow });
    const { code, bytes } = await ask(t, client, { format: "arrow" });
    assert.deepEqual([code, client.closed], [exitCode.done, 1]);
    const back = tableFromIPC(bytes);
    assert.equal(back.batches.length, 2);
    assert.deepEqual(
      back.toArray().map((row) => row?.toJSON()),
      [...table.toArray(), ...table.toArray()].map((row) => row?.toJSON()),
    );
    const empty = await ask(t, new FakeClient({ arrow: { schema: table.schema, batches: [] } }), {
      format: "arrow",
    });
    assert.deepEqual(
      tableFromIPC(empty.bytes).schema.fields.map(({ name }) => name),
      ["n", "text"],
    );
    const end = Buffer.from([255, 255, 255, 255, 0, 0, 0, 0]);
    for (const stream of [bytes, empty.bytes]) assert.deepEqual(stream.subarray(-8), end);
  });
});

describe("the query", () => {
  test("goes out with what was given", async (t) => {
    const client = new FakeClient(two);
    await ask(t, client, {
      query: "SHOW MEASUREMENTS",
      language: "influxql",
      param: ["a=1", "b:string=1"],
      timeout: "2s",
      database: "other",
      configText: minimal.replace('database = "lorawan"', 'database = "lorawan"\nquery_timeout = "7s"'),
    });
    const [{ signal, ...query } = {}] = client.asked;
    assert.ok(signal instanceof AbortSignal);
    assert.deepEqual(query, {
      text: "SHOW MEASUREMENTS",
      language: "influxql",
      params: { a: 1n, b: "1" },
      timeoutMs: 2000,
      database: "other",
    });
    assert.deepEqual([client.config?.database, client.config?.timeoutMs], ["lorawan", 7000]);
  });

  test("comes from standard input for -", async (t) => {
    const client = new FakeClient(two);
    await ask(t, client, { query: "-", stdin: "SELECT '°'\n" });
    assert.equal(client.asked[0]?.text, "SELECT '°'\n");
    const rows: readonly (readonly [string | Uint8Array, RegExp])[] = [
      [" \n", /is empty\.\n$/],
      [Buffer.from([0x53, 0xff]), /is no UTF-8\.\n$/],
      ["x".repeat(1024 * 1024 + 1), /is longer than 1 MiB\.\n$/],
    ];
    for (const [stdin, sentence] of rows) {
      const { code, err } = await ask(t, client, { query: "-", stdin });
      assert.equal(code, exitCode.usage);
      assert.match(err, sentence);
    }
    assert.equal(client.asked.length, 1);
  });

  test("--schema tells what InfluxDB calls each column", async (t) => {
    const client = new FakeClient({
      columns: [
        column("time", "Timestamp<NANOSECOND>", { kind: "timestamp" }),
        column("dev_eui", "Utf8", { kind: "tag" }),
        column("temp", "Float64", { kind: "field", type: "float" }),
        column("computed", "Int64"),
      ],
    });
    const { out } = await ask(t, client, { schema: "uplink" });
    assert.equal(
      out,
      "column,influxdb,arrow\ntime,timestamp,Timestamp<NANOSECOND>\ndev_eui,tag,Utf8\ntemp,field float,Float64\ncomputed,,Int64\n",
    );
  });
});

describe("a mistake", () => {
  test("in the arguments is 2, in the configuration 78, and nobody is asked", async (t) => {
    const client = new FakeClient(two);
    const usage = await ask(t, client, { format: "xml" });
    assert.deepEqual([usage.code, usage.out], [exitCode.usage, ""]);
    assert.match(usage.err, /^--format: expected one of /);
    const config = await ask(t, client, { configText: "[influxdb]\nurl = 5\n" });
    assert.equal(config.code, exitCode.config);
    assert.match(config.err, /flightline\.toml:2/);
    assert.equal(client.asked.length, 0);
  });

  test("in the place of the file is said before the server is asked", async (t) => {
    const client = new FakeClient(two);
    const { code, err } = await ask(t, client, { output: folder(t) });
    assert.equal(code, exitCode.failed);
    assert.match(err, /is a directory \[output_unwritable\]\n {2}name a file in it\n$/);
    assert.deepEqual([client.asked.length, client.closed], [0, 0]);
  });
});

describe("a fault", () => {
  test("is told in plain words with its hint, and cannot move the cursor", async (t) => {
    const client = new FakeClient({ columns, batches: [fault()] });
    const { code, err } = await ask(t, client, { format: "table" });
    assert.equal(code, exitCode.failed);
    assert.equal(err, "the server said\\u001b[2J no [flight_test]\n  ask again\n");
    assert.equal(client.closed, 1);
  });

  test("behind the first rows says that they are not all", async (t) => {
    const client = new FakeClient({ columns, batches: [[{ time: moment, n: 1n }], fault()] });
    const { code, out, err } = await ask(t, client, { format: "json" });
    assert.equal(code, exitCode.failed);
    assert.match(err, /\n {2}ask again\n {2}What was printed before is not the whole answer \(1 row\)\.\n$/);
    assert.throws(() => void JSON.parse(out));
  });

  test("leaves no file", async (t) => {
    const path = folder(t);
    const client = new FakeClient({ columns, batches: [[{ time: moment, n: 1n }], fault()] });
    const { code, out, err } = await ask(t, client, { output: join(path, "a.csv") });
    assert.deepEqual([code, out], [exitCode.failed, ""]);
    assert.doesNotMatch(err, /printed/);
    assert.deepEqual(readdirSync(path), []);
  });

  test("of ours is not passed off as the world's", async (t) => {
    const bug = new TypeError("a bug");
    await assert.rejects(ask(t, new FakeClient({ columns, batches: [bug] })), bug);
  });
});

describe("millions of rows", () => {
  test("go to a file with one batch in memory, and a line says how far it is", async (t) => {
    const file = join(folder(t), "a.csv");
    const client = new FakeClient({ columns, batches: many(50, 1000) });
    const { code, out, err } = await ask(t, client, { output: file, errIsTerminal: true });
    assert.deepEqual([code, out], [exitCode.done, ""]);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    assert.deepEqual([lines.length, lines[0], lines.at(-1)], [50_001, "time,n", `${moment},49999`]);
    assert.match(err.split(cleared).at(-1) ?? "", /^[^\r]*a\.csv: 50,000 rows, 1\.8 MiB in .*\n$/);
  });

  test("wait for a reader that is slow", async (t) => {
    const client = new FakeClient({ columns, batches: many(200, 1000) });
    const held: (() => void)[] = [];
    let taken = 0;
    const stdout = new Writable({
      write(chunk: Buffer, _encoding, done) {
        taken += chunk.length;
        held.push(done);
      },
    });
    const stop = new AbortController();
    const asking = ask(t, client, { format: "csv", stdout, stop });
    const deadline = performance.now() + 5000;
    while (client.pulled < 2 && performance.now() < deadline) {
      held.shift()?.();
      await sleep(1);
    }
    const { pulled } = client;
    await sleep(50);
    assert.equal(client.pulled, pulled, "nothing is pulled while nothing is taken");
    assert.ok(pulled <= 3, `${pulled} batches, ${taken} bytes`);
    stop.abort(new Error("SIGINT"));
    const { code, err } = await asking;
    assert.deepEqual([code, client.cancelled, client.closed], [exitCode.failed, 1, 1]);
    assert.match(err, /^interrupted after [\d,]+ rows\n/);
  });

  test("do not wait for their reader when the time is up: the fault of the stream is told", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const client = new FakeClient({ columns, batches: [...many(1, 8192), fault("flight_timeout")] });
    const { stdout, held } = heldWriter();
    const asking = ask(t, client, { stdout, timeout: "5s" });
    await turnsUntil(() => held.length === 1);
    t.mock.timers.tick(5000);
    await turns();
    assert.equal(client.closed, 0, "the stream says it first");
    t.mock.timers.tick(1000);
    const { code, err } = await asking;
    assert.deepEqual([code, client.closed], [exitCode.failed, 1]);
    assert.match(err, /\[flight_timeout\]/);
  });

  test("that came in time are all written, however late their reader is", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const client = new FakeClient({ columns, batches: many(1, 8192) });
    const { stdout, held, taken } = heldWriter();
    const asking = ask(t, client, { stdout, format: "table", timeout: "5s" });
    let code: number | undefined;
    const done = (async () => {
      ({ code } = await asking);
    })();
    await turnsUntil(() => held.length === 1);
    t.mock.timers.tick(60_000);
    await turns();
    assert.equal(code, undefined);
    await turnsUntil(() => {
      held.shift()?.();
      return code !== undefined;
    });
    await done;
    assert.equal(code, exitCode.done);
    assert.match(taken().split("\n").at(-2) ?? "", /^8,192 rows in /);
  });

  test("are not read on for a table that shows the first of them", async (t) => {
    const client = new FakeClient({ columns, batches: many(1000, 4096) });
    const { code, out } = await ask(t, client, { format: "table" });
    assert.deepEqual([code, client.pulled, client.cancelled], [exitCode.done, 3, 1]);
    assert.match(out, /\nThese are the first 10,000 of the 12,288 rows read before the query was ended:\n/);
  });
});

describe("an end from outside", () => {
  test("Ctrl-C ends the query, removes the file and says so in one line", async (t) => {
    const path = folder(t);
    const stop = new AbortController();
    const interrupt = (): readonly Row[] => {
      stop.abort(new Error("SIGINT"));
      return [{ time: moment, n: 1n }];
    };
    const client = new FakeClient({ columns, batches: [[{ time: moment, n: 0n }], interrupt] });
    const file = join(path, "a.csv");
    const { code, err } = await ask(t, client, { output: file, stop });
    assert.deepEqual([code, client.cancelled, client.closed], [exitCode.failed, 1, 1]);
    assert.equal(err, `interrupted after 2 rows; ${file} was not written\n`);
    assert.deepEqual(readdirSync(path), []);
  });

  test("Ctrl-C before the query asks nobody", async (t) => {
    const stop = new AbortController();
    stop.abort(new Error("SIGINT"));
    for (const query of ["SELECT 1", "-"]) {
      const client = new FakeClient(two);
      const { code, err } = await ask(t, client, { query, stdin: "SELECT 1", stop });
      assert.deepEqual([code, err, client.asked.length], [exitCode.failed, "interrupted after 0 rows\n", 0]);
    }
  });

  test("a reader that has enough (head) ends it without a word", async (t) => {
    const client = new FakeClient({ columns, batches: many(1000, 1000) });
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        setImmediate(done, Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
      },
    });
    const { code, err } = await ask(t, client, { stdout });
    assert.deepEqual([code, err, client.closed], [exitCode.done, "", 1]);
    assert.ok(client.pulled < 10, `${client.pulled} batches`);
  });

  test("a full disk behind standard output is a fault", async (t) => {
    const client = new FakeClient(two);
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }));
      },
    });
    const { code, err } = await ask(t, client, { stdout });
    assert.equal(code, exitCode.failed);
    assert.match(
      err,
      /^cannot write standard output: ENOSPC: .* \[output_full\]\n {2}free space on that disk/,
    );
  });
});

describe("the line on standard error", () => {
  test("says rows, size, rate and time", () => {
    assert.equal(
      progressLine({ rows: 1_234_567, bytes: 45 * 1024 * 1024 }, 5000),
      "1,234,567 rows, 45.0 MiB, 246,913 rows/s, 5.0 s",
    );
  });

  test("is drawn over itself while it takes long, and nothing of it is left", async (t) => {
    const file = join(folder(t), "a.csv");
    const slow = async (look: Asking): Promise<string> => {
      const stdout = new Writable({
        write(_chunk, _encoding, done) {
          setTimeout(done, 300);
        },
      });
      const client = new FakeClient({ columns, batches: many(1, 1000) });
      const { code, err } = await ask(t, client, { stdout, format: "csv", ...look });
      assert.equal(code, exitCode.done);
      return err;
    };
    const [watched, together, piped, unwatched] = await Promise.all([
      slow({ errIsTerminal: true, outIsFile: true }),
      slow({ errIsTerminal: true, isTerminal: true }),
      // Whatever stands behind the pipe may write to the same terminal: less, head.
      slow({ errIsTerminal: true }),
      slow({ outIsFile: true }),
    ]);
    const drawn = watched.split(cleared);
    assert.deepEqual([drawn.shift(), drawn.pop()], ["", ""]);
    assert.ok(drawn.length > 0);
    for (const line of drawn) assert.match(line, /^[\d,]+ rows?, .* rows\/s, \d+ ms$/);
    assert.deepEqual([together, piped, unwatched], ["", "", ""]);
    assert.equal(await slow({ isTerminal: true, output: file }), "");
    assert.ok(existsSync(file));
  });
});
