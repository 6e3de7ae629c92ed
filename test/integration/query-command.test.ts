/** `flightline query` as it is started, against the stand-in. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import { exitCode } from "../../src/cli/io.ts";
import { type InfluxStandIn, startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { standsStill, unreadPipe } from "../support/full-pipe.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";
import { waitFor } from "../support/wait.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const minimal = '[[mqtt]]\nurl = "mqtt://127.0.0.1:1"\n[influxdb]\n';
const startNs = 1_763_800_000_000_000_001n;
const lineCount = 1000;
/** 10⁶ rows, of about 60 bytes each in CSV. */
const many = "SELECT a.time, a.n, b.dev_eui FROM uplink a CROSS JOIN uplink b";

let server: InfluxStandIn;
const running = new Set<ChildProcess>();
const path = mkdtempSync(join(tmpdir(), "flightline-query-"));

before(async () => {
  server = await startInfluxStandIn({ flushIntervalMs });
  const lines = Array.from({ length: lineCount }, (_, index) => {
    const n = 2n ** 53n + 1n + BigInt(index);
    return `uplink,dev_eui=24e124136502217${index % 7} n=${n}i,temp=${index / 10},na\\,me="a\\"b" ${startNs + BigInt(index)}`;
  });
  assert.deepEqual(await write(server, lines.join("\n")), [204, ""]);
  writeFileSync(
    join(path, "flightline.toml"),
    `${minimal}url = "${server.url}"\ndatabase = "farm"\n[journal]\ndir = "."\n`,
  );
});

after(async () => {
  for (const child of running) child.kill("SIGKILL");
  await server.stop();
  rmSync(path, { recursive: true, force: true });
});

interface Said {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

interface Started {
  readonly pid: number;
  readonly done: Promise<Said>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Nobody reads standard output any more. */
  readonly closeOut: () => void;
  readonly closeErr: () => void;
}

function start(options: readonly string[], stdout: number | "pipe" = "pipe"): Started {
  const child = spawn(process.execPath, [main, "query", "-c", join(path, "flightline.toml"), ...options], {
    stdio: ["ignore", stdout, "pipe"],
  });
  running.add(child);
  const out: Buffer[] = [];
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const done = new Promise<Said>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      running.delete(child);
      resolve({ code, out: Buffer.concat(out), err });
    });
  });
  return {
    pid: child.pid ?? 0,
    done,
    kill: (signal) => void child.kill(signal),
    closeOut: () => child.stdout?.destroy(),
    closeErr: () => child.stderr?.destroy(),
  };
}

async function query(...options: readonly string[]): Promise<Said> {
  return await start(options).done;
}

describe("what InfluxDB holds", { concurrency: 2 }, () => {
  test("comes out exactly", async () => {
    const { code, out, err } = await query(
      'SELECT time, dev_eui, n, temp, "na,me" FROM uplink WHERE dev_eui = $eui ORDER BY time LIMIT 1',
      "--param",
      "eui=24e1241365022171",
    );
    assert.deepEqual([code, err], [exitCode.done, ""]);
    assert.equal(
      out.toString(),
      'time,dev_eui,n,temp,"na,me"\n2025-11-22T08:26:40.000000002Z,24e1241365022171,9007199254740994,0.1,"a""b"\n',
    );
  });

  test("is listed: the tables, and the columns of one", async () => {
    assert.equal((await query("--tables")).out.toString(), "table,columns\nuplink,5\n");
    const { out } = await query("--schema", "uplink", "--format", "ndjson");
    const columns = out.toString().trimEnd().split("\n");
    assert.deepEqual(columns.toSorted(), [
      '{"column":"dev_eui","influxdb":"tag","arrow":"Dictionary<Int32, Utf8>"}',
      '{"column":"n","influxdb":"field integer","arrow":"Int64"}',
      '{"column":"na,me","influxdb":"field string","arrow":"Utf8"}',
      '{"column":"temp","influxdb":"field float","arrow":"Float64"}',
      '{"column":"time","influxdb":"timestamp","arrow":"Timestamp<NANOSECOND>"}',
    ]);
  });

  test("is asked for in InfluxQL", async () => {
    const { out } = await query("SELECT max(temp) FROM uplink", "--language", "influxql", "--format", "json");
    const [row] = JSON.parse(out.toString()) as Record<string, unknown>[];
    assert.deepEqual([row?.["iox::measurement"], row?.["max"]], ["uplink", 99.9]);
  });

  test("is an Arrow stream, all of it", async () => {
    const { code, out } = await query("SELECT n FROM uplink ORDER BY n", "--format", "arrow");
    assert.equal(code, exitCode.done);
    const table = tableFromIPC(out);
    assert.deepEqual([table.numRows, table.get(999)?.["n"]], [lineCount, 2n ** 53n + 1000n]);
  });
});

describe("what goes wrong", { concurrency: 2 }, () => {
  test("has a sentence, a hint and an exit code", async () => {
    const { code, out, err } = await query("SELECT * FROM nowhere");
    assert.deepEqual([code, out.length], [exitCode.failed, 0]);
    assert.match(err, /nowhere.* \[flight_table_missing\]\n {2}\S/);
    assert.equal((await query("SELECT 1", "--timeout", "soon")).code, exitCode.usage);
    assert.equal((await query()).code, exitCode.usage);
  });

  test("a full disk behind standard output is seen", async () => {
    const full = openSync("/dev/full", "w");
    try {
      const { code, err } = await start(["SELECT * FROM uplink"], full).done;
      assert.equal(code, exitCode.failed);
      assert.match(err, /\[output_full\]/);
    } finally {
      closeSync(full);
    }
  });
});

async function rowsInThePart(name: string): Promise<void> {
  const part = `${name}.part`;
  await waitFor(() => readdirSync(path).includes(part) && readFileSync(join(path, part)).length > 1_000_000, {
    timeoutMs: 20_000,
    what: "rows in the file",
  });
}

describe("a million rows", () => {
  test("end on both sides at Ctrl-C, and leave no file", async () => {
    const before = server.flightCounters.cancelled;
    const started = start([many, "--output", join(path, "a.csv")]);
    await rowsInThePart("a.csv");
    started.kill("SIGINT");
    const { code, err } = await started.done;
    assert.equal(code, exitCode.failed);
    assert.match(err, /^interrupted after [\d,]+ rows; .*a\.csv was not written\n$/);
    await waitFor(() => server.flightCounters.live === 0, { what: "its end on the server" });
    assert.equal(server.flightCounters.cancelled, before + 1);
    assert.deepEqual(readdirSync(path), ["flightline.toml"]);
  });

  test("end on both sides when the reader has enough, without a word", async () => {
    const before = server.flightCounters.cancelled;
    const started = start([many]);
    await waitFor(() => server.flightCounters.live === 1, { timeoutMs: 20_000, what: "the query" });
    started.closeOut();
    const { code, err } = await started.done;
    assert.deepEqual([code, err], [exitCode.done, ""]);
    await waitFor(() => server.flightCounters.live === 0, { what: "its end on the server" });
    assert.equal(server.flightCounters.cancelled, before + 1);
  });

  test("leave no file when the terminal is gone", async () => {
    const started = start([many, "--output", join(path, "b.csv")]);
    await rowsInThePart("b.csv");
    // As when an ssh session is lost: standard error, where the end is told, takes nothing any more.
    started.closeErr();
    // The shell and the kernel both send it.
    for (let times = 0; times < 3; times += 1) {
      started.kill("SIGHUP");
      await new Promise(setImmediate);
    }
    assert.equal((await started.done).code, exitCode.failed);
    assert.deepEqual(readdirSync(path), ["flightline.toml"]);
  });
});

describe("a reader that stands still", { concurrency: 2 }, () => {
  test("is not waited for after Ctrl-C", async (t) => {
    const started = start([many], unreadPipe(t));
    await standsStill(started.pid);
    started.kill("SIGINT");
    const { code, err } = await started.done;
    assert.equal(code, exitCode.failed);
    assert.match(err, /^interrupted after [\d,]+ rows\n$/);
    await waitFor(() => server.flightCounters.live === 0, { what: "its end on the server" });
  });

  test("is not waited for behind the last row either, and a cut answer is no success", async (t) => {
    const started = start(["SELECT a.n FROM uplink a CROSS JOIN uplink b LIMIT 8000"], unreadPipe(t));
    await standsStill(started.pid);
    started.kill("SIGTERM");
    assert.equal((await started.done).code, exitCode.failed);
  });

  test("is not waited for longer than --timeout", async (t) => {
    const started = start([many, "--timeout", "1s"], unreadPipe(t));
    const { code, err } = await started.done;
    assert.equal(code, exitCode.failed);
    assert.match(err, /\[flight_timeout\]\n.*\n {2}What was printed before is not the whole answer/);
  });
});
