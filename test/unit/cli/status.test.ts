import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { exitCode, type Io } from "../../../src/cli/io.ts";
import { statusCommand, type StatusOptions } from "../../../src/cli/status.ts";
import { StatusScreen } from "../../../src/cli/status-screen.ts";
import { recordingIo } from "../../support/fakes/recording-io.ts";
import { waitFor } from "../../support/wait.ts";
import { ConfigDirectory, minimal } from "../config/fixture.ts";
import { directory, startControl } from "../status/control-fixture.ts";
import { daemonStatus, part } from "../status/fixture.ts";

interface Site {
  readonly config: string;
  /** `[journal] dir`. */
  readonly dataDir: string;
}

function site(t: TestContext): Site {
  const files = new ConfigDirectory();
  t.after(() => {
    files[Symbol.dispose]();
  });
  files.write({ "flightline.toml": `${minimal}\n[journal]\ndir = "data"\n`, "data/.keep": "" });
  return { config: files.main, dataDir: join(files.path, "data") };
}

function optionsFor(config: string, changes: Partial<StatusOptions> = {}): StatusOptions {
  return {
    config,
    configIsDefault: false,
    socket: undefined,
    serviceSocket: "/nowhere/control.sock",
    all: false,
    json: false,
    watch: false,
    rows: () => undefined,
    ...changes,
  };
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function ask(options: StatusOptions, changes: Partial<Io> = {}): Promise<Said> {
  const { io, out, err } = recordingIo();
  const code = await statusCommand(options, { ...io, ...changes });
  return { code, out: out(), err: err() };
}

describe("the whole way", () => {
  test("the daemon of a configuration is found beside its databases; 0 when all is well", async (t) => {
    const { config, dataDir } = site(t);
    await startControl(t, join(dataDir, "control.sock"), { status: () => daemonStatus({ dataDir }) });
    const { code, out, err } = await ask(optionsFor(config));
    assert.match(out, /^Flightline is well\.\n\n {2}mode {7}normal\n {2}node {7}barn-7\n/);
    assert.match(out, new RegExp(`^ {2}journal {4}${dataDir}$`, "m"));
    assert.deepEqual([code, err], [exitCode.done, ""]);
  });

  test("1 when something is not well, in safe mode too", async (t) => {
    const { config, dataDir } = site(t);
    let status = daemonStatus({ dataDir, unhealthy: "journal is silent" });
    await startControl(t, join(dataDir, "control.sock"), { status: () => status });
    const ill = await ask(optionsFor(config));
    assert.match(ill.out, /^Trouble: flightline is stuck: journal is silent\n/);
    status = daemonStatus({
      dataDir,
      mode: { kind: "safe", uncleanStarts: 5, suspect: "node", waiting: [] },
    });
    const safe = await ask(optionsFor(config));
    assert.match(safe.out, /^Safe mode after 5 crashes, probably of "node": /);
    assert.deepEqual([ill.code, safe.code], [exitCode.failed, exitCode.failed]);
  });

  test("--json is what the socket says, and has the same exit code", async (t) => {
    const { config, dataDir } = site(t);
    let status = daemonStatus({ dataDir });
    await startControl(t, join(dataDir, "control.sock"), { status: () => status });
    const well = await ask(optionsFor(config, { json: true }));
    assert.deepEqual(JSON.parse(well.out), {
      format: 1,
      ...(JSON.parse(
        JSON.stringify({
          ...status,
          snapshot: {
            ...status.snapshot,
            counters: { ...status.snapshot.counters, unmapped: {}, quarantined: {} },
          },
        }),
      ) as object),
    });
    status = daemonStatus({ dataDir, parts: [part("a", { state: "stuck" })] });
    const ill = await ask(optionsFor(config, { json: true }));
    assert.deepEqual([well.code, ill.code, well.err], [exitCode.done, exitCode.failed, ""]);
  });

  test("colours are for a terminal, and not with NO_COLOR or a dumb one", async (t) => {
    const { config, dataDir } = site(t);
    await startControl(t, join(dataDir, "control.sock"), { status: () => daemonStatus({ dataDir }) });
    const rows: readonly (readonly [boolean, NodeJS.ProcessEnv, boolean])[] = [
      [true, {}, true],
      [true, { NO_COLOR: "", TERM: "xterm" }, true],
      [false, {}, false],
      [true, { NO_COLOR: "1" }, false],
      [true, { TERM: "dumb" }, false],
    ];
    for (const [isTerminal, env, expected] of rows) {
      const { out } = await ask(optionsFor(config), { isTerminal, env });
      assert.equal(out.includes("\u001b"), expected, JSON.stringify({ isTerminal, env }));
    }
  });
});

describe("where the daemon is looked for", () => {
  test("the service's socket comes after the one beside the databases", async (t) => {
    const { config, dataDir } = site(t);
    const serviceSocket = join(directory(t), "control.sock");
    await startControl(t, serviceSocket, { status: () => daemonStatus({ dataDir, pid: 1 }) });
    const options = optionsFor(config, { serviceSocket });
    assert.match((await ask(options)).out, /, pid 1$/m);
    await startControl(t, join(dataDir, "control.sock"), { status: () => daemonStatus({ dataDir, pid: 2 }) });
    assert.match((await ask(options)).out, /, pid 2$/m);
  });

  test("a daemon with another configuration is not taken for the one that is meant", async (t) => {
    const { config, dataDir } = site(t);
    const serviceSocket = join(directory(t), "control.sock");
    await startControl(t, serviceSocket, { status: () => daemonStatus({ dataDir: "/other" }) });
    const { code, out, err } = await ask(optionsFor(config, { serviceSocket }));
    assert.equal(
      err,
      `no daemon answers: ${dataDir}/control.sock (not there), ${serviceSocket} (the daemon of /other) [daemon_absent]\n` +
        "  start it (systemctl start flightline), or name its configuration with --config or its socket with --socket\n",
    );
    assert.deepEqual([code, out], [exitCode.failed, ""]);
  });

  test("nor in the service's own directory, when a configuration was named", async (t) => {
    const { config } = site(t);
    const dir = directory(t);
    await startControl(t, join(dir, "control.sock"), { status: () => daemonStatus({ dataDir: "/other" }) });
    const { code, err } = await ask(optionsFor(config), { env: { RUNTIME_DIRECTORY: dir } });
    assert.equal(code, exitCode.failed);
    assert.match(err, /control\.sock \(the daemon of \/other\) \[daemon_absent\]/);
  });

  test("--socket and RUNTIME_DIRECTORY need no configuration", async (t) => {
    const dir = directory(t);
    const socket = join(dir, "control.sock");
    await startControl(t, socket);
    const none = "/nowhere/flightline.toml";
    assert.equal((await ask(optionsFor(none, { socket }))).code, exitCode.done);
    const env = { RUNTIME_DIRECTORY: dir };
    assert.equal((await ask(optionsFor(none, { configIsDefault: true }), { env })).code, exitCode.done);
    const wrong = await ask(optionsFor(none, { socket: join(dir, "x") }), { env });
    assert.match(wrong.err, /^no daemon answers: \S+\/x \(not there\) \[daemon_absent\]\n {2}start it /);
    const { code, err } = await ask(optionsFor(none, { socket: "" }));
    assert.deepEqual(
      [code, err],
      [exitCode.usage, "--socket: expected the path of a daemon's control socket.\n"],
    );
  });

  test("without a configuration that can be loaded the service is asked, unless one was named", async (t) => {
    const { config } = site(t);
    writeFileSync(config, `${minimal}\ntoken_file = "\${CREDENTIALS_DIRECTORY}/token"\n`);
    const serviceSocket = join(directory(t), "control.sock");
    const service = await startControl(t, serviceSocket);
    const unnamed = optionsFor(config, { serviceSocket, configIsDefault: true });
    assert.equal((await ask(unnamed)).code, exitCode.done);
    const named = await ask(optionsFor(config, { serviceSocket }));
    assert.equal(named.code, exitCode.config);
    assert.match(named.err, /CREDENTIALS_DIRECTORY/);
    const json = await ask(optionsFor(config, { serviceSocket, json: true }));
    const { ok, problems } = JSON.parse(json.out) as { readonly ok: boolean; readonly problems: unknown[] };
    assert.deepEqual([json.code, ok, problems.length > 0], [exitCode.config, false, true]);
    await service.stop();
    const gone = await ask(unnamed);
    assert.match(gone.err, /^no daemon answers: .*\n {2}start it .*\n(?:.*\n)*.*CREDENTIALS_DIRECTORY/);
    assert.equal(gone.code, exitCode.failed);
  });

  test("a daemon that does not answer is told apart from none; --json tells faults, too", async (t) => {
    const { config, dataDir } = site(t);
    await startControl(t, join(dataDir, "control.sock"), {
      status: async () => await new Promise<never>(() => undefined),
    });
    const { code, out, err } = await ask(optionsFor(config, { timeoutMs: 30, json: true }));
    const { ok, fault } = JSON.parse(out) as { readonly ok: boolean; readonly fault: { code: string } };
    assert.deepEqual([code, err, ok, fault.code], [exitCode.failed, "", false, "daemon_silent"]);
  });
});

describe("--watch", () => {
  /** A terminal that shows what it is told: rows of text, and a cursor that moves between them. */
  class FakeTerminal {
    readonly rows: string[] = [""];
    #at = 0;

    write(text: string): void {
      const [plain = "", ...sequences] = text.split("\u001b[");
      this.#print(plain);
      for (const sequence of sequences) {
        const [head = "", count = "", command = ""] = /^(\d*)([A-Za-z])/.exec(sequence) ?? [];
        this.#command(command, Number(count));
        this.#print(sequence.slice(head.length));
      }
    }

    #command(command: string, count: number): void {
      if (command === "A") this.#at -= count;
      else if (command === "K") this.rows[this.#at] = "";
      else if (command === "J") this.rows.splice(this.#at, Infinity, "");
      else assert.fail(`the terminal does not know ${command}`);
      assert.ok(this.#at >= 0, "the cursor cannot go above the first row");
    }

    #print(text: string): void {
      for (const [piece] of text.matchAll(/[^\n\r]+|\n/g)) {
        if (piece === "\n") {
          this.#at += 1;
          this.rows[this.#at] ??= "";
        } else this.rows[this.#at] += piece;
      }
    }
  }

  test("draws the newest status over the last one, shows a daemon that went away, and ends on Ctrl-C", async (t) => {
    const { config, dataDir } = site(t);
    const socket = join(dataDir, "control.sock");
    let status = daemonStatus({ dataDir, parts: [part("node", { state: "stuck" })] });
    const daemon = await startControl(t, socket, { status: () => status });
    const terminal = new FakeTerminal();
    const stop = new AbortController();
    const { io, err } = recordingIo(stop.signal);
    const watching = statusCommand(optionsFor(config, { watch: true, refreshMs: 5 }), {
      ...io,
      isTerminal: true,
      env: { NO_COLOR: "1" },
      out: (text) => {
        terminal.write(text);
      },
    });
    const shows = async (first: RegExp): Promise<void> => {
      await waitFor(() => first.test(terminal.rows[0] ?? ""), { what: `${first} on the screen` });
    };
    await shows(/^Trouble: the part "node" is stuck$/);
    status = daemonStatus({ dataDir });
    await shows(/^Flightline is well\.$/);
    assert.equal(terminal.rows.filter((row) => row.startsWith("  parts")).length, 1);
    assert.ok(!terminal.rows.some((row) => row.includes("stuck")), "nothing is left of the longer block");
    await daemon.stop();
    await shows(/^no daemon answers: /);
    assert.deepEqual(terminal.rows.slice(2), ["", "every 0.005 s; Ctrl-C ends it", ""]);
    await startControl(t, socket, { status: () => status });
    await shows(/^Flightline is well\.$/);
    stop.abort();
    assert.deepEqual([await watching, err()], [exitCode.done, ""]);
  });

  test("with --json it is one line each time; the exit code is that of the last", async (t) => {
    const { config, dataDir } = site(t);
    const socket = join(dataDir, "control.sock");
    const daemon = await startControl(t, socket, { status: () => daemonStatus({ dataDir }) });
    const stop = new AbortController();
    const { io, out } = recordingIo(stop.signal);
    const watching = statusCommand(optionsFor(config, { watch: true, json: true, refreshMs: 5 }), io);
    await waitFor(() => out().split("\n").length > 3, { what: "some lines" });
    await daemon.stop();
    await waitFor(() => out().includes('"ok":false'), { what: "the daemon's absence" });
    stop.abort();
    assert.equal(await watching, exitCode.failed);
    for (const line of out().trimEnd().split("\n")) assert.equal(typeof JSON.parse(line), "object");
  });

  test("through a pipe whose reader goes, it ends with the exit code of the last look", async (t) => {
    const socket = join(directory(t), "control.sock");
    await startControl(t, socket);
    const main = join(import.meta.dirname, "../../../src/main.ts");
    const child = spawn(process.execPath, [main, "status", "--socket", socket, "--watch", "--json"]);
    t.after(() => child.kill("SIGKILL"));
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.deepEqual([code, errors], [exitCode.done, ""]);
  });

  test("interrupted while it waits for an answer, it ends at once", async (t) => {
    const { config, dataDir } = site(t);
    let asked = 0;
    await startControl(t, join(dataDir, "control.sock"), {
      status: async () => {
        asked += 1;
        return await new Promise<never>(() => undefined);
      },
    });
    for (const watch of [true, false]) {
      const stop = new AbortController();
      const { io, out, err } = recordingIo(stop.signal);
      const before = asked;
      const asking = statusCommand(optionsFor(config, { watch }), io);
      await waitFor(() => asked > before, { what: "the question" });
      stop.abort();
      assert.deepEqual([await asking, out(), err()], [exitCode.failed, "", ""]);
    }
  });

  test("what the terminal has no room for is cut, so that the next block lies over it", () => {
    const terminal = new FakeTerminal();
    const { io } = recordingIo();
    const out = (text: string): void => {
      terminal.write(text);
    };
    let height = 4;
    const screen = new StatusScreen({ ...io, isTerminal: true, out }, () => height);
    screen.draw(["a", "b", "c", "d", "e"]);
    assert.deepEqual(terminal.rows, ["a", "b", "…", ""]);
    screen.draw(["f", "g"]);
    assert.deepEqual(terminal.rows, ["f", "g", ""]);
    height = 0;
    screen.draw(["h", "i", "j", "k"]);
    assert.deepEqual(terminal.rows, ["h", "i", "j", "k", ""], "a height of 0 is an unknown one");
  });

  test("not on a terminal, one block stands below the other", () => {
    const { io, out } = recordingIo();
    const screen = new StatusScreen(io, () => undefined);
    screen.draw(["a", "b"]);
    screen.draw(["c"]);
    assert.equal(out(), "a\nb\n\nc\n");
  });
});
