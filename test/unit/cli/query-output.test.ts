import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, test, type TestContext } from "node:test";
import { FileOutput, outputFault, StreamOutput } from "../../../src/cli/query-output.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { mountTmpfs } from "../../support/mount.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-query-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** Written whole. */
async function replaced(file: string, text = "new"): Promise<void> {
  const output = await FileOutput.open(file);
  await output.write(text);
  await output.finish();
}

async function refusal(path: string): Promise<Fault> {
  const error: unknown = await FileOutput.open(path).catch((error: unknown) => error);
  assert.ok(error instanceof Fault, String(error));
  return error;
}

describe("a file", () => {
  test("appears when it is whole, and not before", async (t) => {
    const file = join(folder(t), "a.csv");
    const output = await FileOutput.open(file);
    await output.write("a,b\n");
    await output.write(Buffer.from("1,2\n"));
    await output.write("°\n");
    assert.equal(existsSync(file), false);
    assert.equal(readFileSync(`${file}.part`, "utf8"), "a,b\n1,2\n°\n");
    await output.finish();
    assert.equal(readFileSync(file, "utf8"), "a,b\n1,2\n°\n");
    assert.equal(output.bytes, 11);
    await output.discard();
    assert.deepEqual(readdirSync(join(file, "..")), ["a.csv"]);
  });

  test("that is not finished leaves the old one as it was, and nothing beside it", async (t) => {
    const path = folder(t);
    const file = join(path, "a.csv");
    writeFileSync(file, "old");
    const output = await FileOutput.open(file);
    await output.write("new");
    await output.discard();
    assert.equal(readFileSync(file, "utf8"), "old");
    assert.deepEqual(readdirSync(path), ["a.csv"]);
  });

  test("is begun anew where a killed run left its part, and no link there is followed", async (t) => {
    const path = folder(t);
    const file = join(path, "a.csv");
    writeFileSync(join(path, "victim"), "untouched");
    symlinkSync(join(path, "victim"), `${file}.part`);
    const output = await FileOutput.open(file);
    await output.write("new");
    await output.finish();
    assert.equal(readFileSync(file, "utf8"), "new");
    assert.equal(readFileSync(join(path, "victim"), "utf8"), "untouched");
  });

  test("keeps its permissions, whatever the umask", async (t) => {
    const file = join(folder(t), "a.csv");
    for (const mode of [0o600, 0o666, 0o444]) {
      writeFileSync(file, "old");
      chmodSync(file, mode);
      await replaced(file);
      assert.equal(statSync(file).mode & 0o7777, mode, mode.toString(8));
      rmSync(file);
    }
  });

  test(
    "keeps its owner and its group",
    { skip: process.getuid?.() === 0 ? false : "only root may give a file away" },
    async (t) => {
      const file = join(folder(t), "a.csv");
      writeFileSync(file, "old");
      chownSync(file, 4242, 4243);
      chmodSync(file, 0o640);
      await replaced(file);
      const { uid, gid, mode } = statSync(file);
      assert.deepEqual([uid, gid, mode & 0o777], [4242, 4243, 0o640]);
    },
  );

  test("is what a link leads to, and the link stays, also when nothing is there yet", async (t) => {
    const path = folder(t);
    mkdirSync(join(path, "there"));
    const links: readonly (readonly [string, string, string])[] = [
      ["absolute", join(path, "there/a.csv"), "there/a.csv"],
      ["relative", "there/b.csv", "there/b.csv"],
      ["through", "relative2", "there/c.csv"],
      ["relative2", "there/../there/c.csv", "there/c.csv"],
    ];
    for (const [name, to] of links) symlinkSync(to, join(path, name));
    for (const [name, to, file] of links) {
      for (const text of ["first", "again"]) {
        await replaced(join(path, name), text);
        assert.equal(readFileSync(join(path, file), "utf8"), text, name);
        assert.equal(readlinkSync(join(path, name)), to);
      }
    }
    assert.deepEqual(readdirSync(join(path, "there")), ["a.csv", "b.csv", "c.csv"]);
  });

  test("is not a link that leads nowhere or in a circle, and that is left as it is", async (t) => {
    const path = folder(t);
    const rows: readonly (readonly [string, string, RegExp, RegExp])[] = [
      ["nowhere", join(path, "absent/a.csv"), /ENOENT/, /the directory does not exist/],
      ["circle", "circle2", /ELOOP/, /circle/],
      ["circle2", "circle", /ELOOP/, /circle/],
    ];
    for (const [name, to] of rows) symlinkSync(to, join(path, name));
    for (const [name, to, message, hint] of rows) {
      const fault = await refusal(join(path, name));
      assert.equal(fault.code, "output_unwritable");
      assert.match(fault.message, message);
      assert.match(fault.hint ?? "", hint);
      assert.equal(readlinkSync(join(path, name)), to);
    }
    assert.equal(readdirSync(path).length, rows.length);
  });

  test("is not taken from another run that writes to the same one", async (t) => {
    const file = join(folder(t), "a.csv");
    const first = await FileOutput.open(file);
    await first.write("half of it");
    const second = await FileOutput.open(file);
    await second.write("all ");
    await assert.rejects(first.finish(), {
      code: "output_unwritable",
      message: /^somebody else has replaced /,
    });
    await second.write("of it");
    await second.finish();
    await first.discard();
    assert.equal(readFileSync(file, "utf8"), "all of it");
  });

  test("is not a directory, a device or in a place that is not there", async (t) => {
    const path = folder(t);
    mkdirSync(join(path, "directory"));
    mkdirSync(join(path, "a.csv.part"));
    writeFileSync(join(path, "file"), "");
    const rows: readonly (readonly [string, RegExp, RegExp])[] = [
      [join(path, "directory"), /directory is a directory$/, /name a file in it/],
      ["/dev/null", /a device or a pipe, not a file$/, /> FILE$/],
      [join(path, "a.csv"), /a\.csv: E(ISDIR|PERM): .*a\.csv\.part/, /./],
      [join(path, "absent", "a.csv"), /ENOENT/, /the directory does not exist: create it first/],
      [join(path, "file", "a.csv"), /ENOTDIR/, /is a file, not a directory/],
      [join(path, "x".repeat(300)), /ENAMETOOLONG/, /shorter name/],
    ];
    for (const [place, message, hint] of rows) {
      const fault = await refusal(place);
      assert.equal(fault.code, "output_unwritable");
      assert.match(fault.message, message);
      assert.match(fault.hint ?? "", hint);
    }
    assert.ok(existsSync("/dev/null"));
  });

  test("whose part has gone from under it is a fault, too", async (t) => {
    const file = join(folder(t), "a.csv");
    const output = await FileOutput.open(file);
    renameSync(`${file}.part`, `${file}.else`);
    await assert.rejects(output.finish(), { code: "output_unwritable" });
    await output.discard();
  });

  test("on a full disk is a fault that says so, and is removed", async (t) => {
    const path = mountTmpfs(t, 256 * 1024);
    if (path === undefined) return;
    const output = await FileOutput.open(join(path, "a.csv"));
    const much = "x".repeat(200 * 1024);
    await output.write(much);
    await assert.rejects(output.write(much), { code: "output_full", hint: /^free space on that disk/ });
    await output.discard();
    assert.deepEqual(readdirSync(path), []);
  });
});

test("what the system says of an output has a code and a hint; anything else is passed on", () => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ["EACCES", "output_unwritable", /may write to/],
    ["EROFS", "output_unwritable", /read-only/],
    ["EMFILE", "output_unwritable", /choose another file/],
    ["ENOSPC", "output_full", /free space/],
    ["EDQUOT", "output_full", /quota/],
    ["EFBIG", "output_full", /ulimit -f/],
  ];
  for (const [errno, code, hint] of rows) {
    const fault = outputFault("a.csv", Object.assign(new Error(`${errno}: because`), { code: errno }));
    assert.ok(fault instanceof Fault);
    assert.deepEqual([fault.code, fault.message], [code, `cannot write a.csv: ${errno}: because`]);
    assert.match(fault.hint ?? "", hint);
  }
  const bug = new TypeError("x");
  assert.equal(outputFault("a.csv", bug), bug);
  const invalid = Object.assign(new TypeError("x"), { code: "ERR_INVALID_ARG_TYPE" });
  assert.equal(outputFault("a.csv", invalid), invalid);
});

/** Takes each chunk when it is told to. */
class SlowReader extends Writable {
  taken = "";
  readonly waiting: (() => void)[] = [];

  constructor() {
    super({ highWaterMark: 10, decodeStrings: false });
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.waiting.push(() => {
      this.taken += chunk;
      done();
    });
  }
}

describe("standard output", () => {
  test("that is slow is waited for", async () => {
    const reader = new SlowReader();
    const output = new StreamOutput(reader, new AbortController().signal);
    await output.write("short");
    let isOver = false;
    const writing = (async () => {
      await output.write("longer than that");
      isOver = true;
    })();
    reader.waiting.shift()?.();
    await new Promise(setImmediate);
    assert.equal(isOver, false);
    reader.waiting.shift()?.();
    await writing;
    const finished = output.finish();
    reader.waiting.shift()?.();
    await finished;
    assert.equal(reader.taken, "shortlonger than that");
  });

  test("is not waited for in a write once it is known that no more will come, but at the end", async () => {
    const reader = new SlowReader();
    const output = new StreamOutput(reader, new AbortController().signal);
    const writing = output.write("longer than that");
    output.hurry();
    await writing;
    await output.write(" and more");
    const finished = output.finish();
    while (reader.waiting.length > 0) {
      reader.waiting.shift()?.();
      await new Promise(setImmediate);
    }
    await finished;
    assert.equal(reader.taken, "longer than that and more");
  });

  test("that breaks while it is waited for is an error, also in a hurry", async () => {
    const broken = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    const stream = new SlowReader();
    stream.on("error", () => undefined);
    const output = new StreamOutput(stream, new AbortController().signal);
    const writing = assert.rejects(output.write("longer than that"), broken);
    stream.destroy(broken);
    await writing;
    output.hurry();
    await assert.rejects(output.finish());
  });

  test("that never takes anything is left as soon as somebody says stop", async () => {
    const stop = new AbortController();
    const output = new StreamOutput(new SlowReader(), stop.signal);
    const writing = assert.rejects(output.write("longer than that"));
    stop.abort(new Error("SIGINT"));
    await writing;
    await assert.rejects(output.write("more"), /SIGINT/);
    await assert.rejects(output.finish(), /SIGINT/);
  });
});
