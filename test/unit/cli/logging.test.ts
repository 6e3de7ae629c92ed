/** The log as it really comes out: a child process writes it, we read its standard output. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { plainLine } from "../../../src/cli/logging.ts";

const root = join(import.meta.dirname, "../../..");

interface Settings {
  readonly format?: "auto" | "plain" | "pretty" | "json";
  readonly level?: "debug" | "info" | "warn" | "error";
  readonly isTerminal?: boolean;
  readonly underSystemd?: boolean;
}

/** Runs statements on a `log` in a process of its own; `Fault` and `Secret` are at hand. */
function output(settings: Settings, statements: string): string {
  const { format = "plain", level = "info", isTerminal = false, underSystemd = false } = settings;
  const script = `
    const { createLog } = await import(${JSON.stringify(join(root, "src/cli/logging.ts"))});
    const { Fault } = await import(${JSON.stringify(join(root, "src/lib/fault.ts"))});
    const { Secret } = await import(${JSON.stringify(join(root, "src/lib/secret.ts"))});
    const log = createLog(${JSON.stringify({ format, level })}, ${JSON.stringify({ isTerminal, underSystemd })});
    ${statements}`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(child.status, 0, child.stderr);
  return child.stdout;
}

const faultStatement = `log.fault(new Fault({ code: "write_timeout", layer: "write", disposition: "retry",
  message: "no answer", hint: "look at the disk" }), { backlog: 7 });`;

/** One of pino's lines. */
function pinoLine(msg: string, details: Record<string, unknown> = {}, level = 30): string {
  return JSON.stringify({ level, time: Date.UTC(2026, 0, 1), ...details, msg });
}

const hostile = "a\nb\r\n<0>forged\u0000\u001b[2J\u007f\u0085\u009b31m\u2028\u2029\u202eevil\u2066";

describe("plain", () => {
  test("message, then key=value, quoted where it must be", () => {
    assert.equal(
      plainLine(
        pinoLine("connected", { url: "mqtt://x", empty: "", n: 5, on: true, said: 'a "b"', eq: "a=b" }),
        false,
      ),
      '2026-01-01T00:00:00.000Z info connected url=mqtt://x empty= n=5 on=true said="a \\"b\\"" eq="a=b"\n',
    );
  });

  test("under systemd the priority is in front and the time is the journal's", () => {
    const lines = [20, 30, 40, 50, 60].map((level) => plainLine(pinoLine("m", {}, level), true));
    assert.deepEqual(lines, ["<7>m\n", "<6>m\n", "<4>m\n", "<3>m\n", "<3>m\n"]);
  });

  test("neither message nor detail can forge a line, a priority or a terminal's command", () => {
    for (const underSystemd of [true, false]) {
      const line = plainLine(pinoLine(hostile, { topic: hostile }), underSystemd);
      assert.equal(line.indexOf("\n"), line.length - 1);
      // oxlint-disable-next-line no-control-regex -- control characters are the point
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
      assert.match(line, /forged/, "the rest is still shown");
    }
  });

  test("no line is so long that systemd would split it and read a priority in the middle", () => {
    const long = "<0>€".repeat(20_000);
    const details = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`k${index}`, long]));
    const line = plainLine(pinoLine(long, details), true);
    assert.ok(Buffer.byteLength(line) < 48 * 1024, `${Buffer.byteLength(line)} bytes`);
  });

  test("as it comes out: levels, details, a fault with code and hint", () => {
    const text = output(
      { underSystemd: true },
      `log.debug("too little"); log.info("a", { n: 1, none: undefined }); log.warn("b"); log.error("c"); ${faultStatement}`,
    );
    assert.equal(
      text,
      '<6>a n=1\n<4>b\n<3>c\n<4>no answer code=write_timeout layer=write backlog=7 hint="look at the disk"\n',
    );
  });

  test("a fault's disposition is its level", () => {
    const text = output(
      { underSystemd: true },
      `for (const disposition of ["retry", "drop", "quarantine", "restart", "fatal"])
         log.fault(new Fault({ code: disposition, layer: "write", disposition, message: "m" }));`,
    );
    const levels = ["retry", "drop", "quarantine"].map((code) => `<4>m code=${code} layer=write\n`);
    assert.equal(
      text,
      [...levels, "<3>m code=restart layer=write\n", "<3>m code=fatal layer=write\n"].join(""),
    );
  });
});

describe("json", () => {
  test("one object per line, which can be read back whatever was said", () => {
    const text = output(
      { format: "json", level: "debug" },
      `log.debug(${JSON.stringify(hostile)}, { n: 1 }); ${faultStatement}`,
    );
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map(({ level, msg, n, code, hint }) => ({ level, msg, n, code, hint })),
      [
        { level: 20, msg: hostile, n: 1, code: undefined, hint: undefined },
        { level: 40, msg: "no answer", n: undefined, code: "write_timeout", hint: "look at the disk" },
      ],
    );
    for (const line of lines) assert.equal(typeof line["time"], "number");
  });
});

describe("pretty", () => {
  test("is for a terminal, and cannot be made to run a terminal's commands", () => {
    const text = output(
      { format: "auto", isTerminal: true },
      `log.warn(${JSON.stringify(hostile)}, { topic: ${JSON.stringify(hostile)} });`,
    );
    assert.match(text, /WARN/);
    // oxlint-disable-next-line no-control-regex -- what is left after its own colours
    const rest = text.replaceAll(/\u001b\[\d+m/g, "");
    // oxlint-disable-next-line no-control-regex -- control characters are the point
    assert.doesNotMatch(rest, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    assert.equal(rest.trimEnd().split("\n").length, 2, "the message, and its one detail below it");
  });
});

describe("what is written", () => {
  test("auto is plain where nobody watches", () => {
    assert.match(output({ format: "auto" }, `log.info("hello");`), /^\d{4}-\S+Z info hello\n$/);
  });

  test("the level is the least that is written", () => {
    const all = `log.debug("d"); log.info("i"); log.warn("w"); log.error("e");`;
    for (const [level, expected] of [
      ["debug", "<7>d<6>i<4>w<3>e"],
      ["warn", "<4>w<3>e"],
      ["error", "<3>e"],
    ] as const)
      assert.equal(output({ level, underSystemd: true }, all).replaceAll("\n", ""), expected);
  });

  test("a secret never appears, in no format, however it gets there", () => {
    for (const format of ["plain", "json", "pretty"] as const) {
      const text = output(
        { format },
        `const token = new Secret("hunter2"); log.info("token " + token, { token }); log.error(String(token), { nested: { token } });`,
      );
      assert.match(text, /\[secret\]/);
      assert.doesNotMatch(text, /hunter2/);
    }
  });
});
