/** `flightline status`: what a running daemon says of itself, for a person or as JSON. */
import { formatProblem } from "../config/problem.ts";
import { sleep } from "../lib/abort.ts";
import { Fault } from "../lib/fault.ts";
import { describeFault } from "./describe-fault.ts";
import { exitCode, type Io, type Run } from "./io.ts";
import { harmless } from "./mapping-layout.ts";
import { type FindOptions, findStatus, type Place, placesOf } from "./status-find.ts";
import { colours, noColours, type Paint } from "./status-layout.ts";
import { StatusScreen } from "./status-screen.ts";
import { statusLines } from "./status-text.ts";
import { verdictOf } from "./status-verdict.ts";

export interface StatusOptions extends FindOptions {
  readonly all: boolean;
  readonly json: boolean;
  /** Again and again, until interrupted. */
  readonly watch: boolean;
  /** Of the terminal. */
  readonly rows: () => number | undefined;
  /** Tests do not wait as long. */
  readonly refreshMs?: number;
  readonly timeoutMs?: number;
}

const refreshMs = 2000;

/** Exit code: done when all is well, failed when something is not or no daemon answers. */
export const statusCommand: Run<StatusOptions> = async (options, io) => {
  if (options.socket === "") {
    io.err("--socket: expected the path of a daemon's control socket.\n");
    return exitCode.usage;
  }
  const { places, problems } = placesOf(options, io.env);
  const problemText = problems.map(formatProblem).join("");
  if (places.length === 0) {
    if (options.json) sayJson(io, JSON.stringify({ ok: false, problems }));
    else io.err(problemText);
    return exitCode.config;
  }
  if (options.watch) return await watch(places, options, io);
  const seen = await look(places, options, io);
  if (seen === undefined) return exitCode.failed;
  if (options.json) sayJson(io, seen.json);
  else if (seen.isAnswer) io.out(`${seen.lines.join("\n")}\n`);
  else io.err(`${seen.lines.join("\n")}\n${problemText}`);
  return seen.isWell ? exitCode.done : exitCode.failed;
};

/** Ends when interrupted, with the exit code of the last look. A daemon that is away is shown as that. */
async function watch(places: readonly Place[], options: StatusOptions, io: Io): Promise<number> {
  const screen = new StatusScreen(io, options.rows);
  const everyMs = options.refreshMs ?? refreshMs;
  let code: number = exitCode.failed;
  for (;;) {
    const seen = await look(places, options, io);
    if (seen === undefined) return code;
    if (options.json) sayJson(io, seen.json);
    else screen.draw([...seen.lines, "", `every ${everyMs / 1000} s; Ctrl-C ends it`]);
    code = seen.isWell ? exitCode.done : exitCode.failed;
    await sleep(everyMs, io.signal);
  }
}

/** What one look has shown, a fault included. */
interface Seen {
  readonly lines: readonly string[];
  readonly json: string;
  readonly isAnswer: boolean;
  readonly isWell: boolean;
}

/** Undefined: it was interrupted. */
async function look(places: readonly Place[], options: StatusOptions, io: Io): Promise<Seen | undefined> {
  if (io.signal.aborted) return undefined;
  const paint = paintFor(io);
  try {
    const { timeoutMs } = options;
    const asking = { signal: io.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    const { status, text } = await findStatus(places, asking);
    const verdict = verdictOf(status);
    const lines = statusLines(status, verdict, { all: options.all, paint, nowMs: Date.now() });
    return { lines, json: text.trimEnd(), isAnswer: true, isWell: verdict.kind === "well" };
  } catch (error) {
    if (io.signal.aborted) return undefined;
    if (!(error instanceof Fault)) throw error;
    const { code, message, hint = null } = error;
    const json = JSON.stringify({ ok: false, fault: { code, message, hint } });
    const lines = harmlessLines(describeFault(error));
    return { lines, json, isAnswer: false, isWell: false };
  }
}

function harmlessLines(text: string): string[] {
  return text.trimEnd().split("\n").map(harmless);
}

/** https://no-color.org */
function paintFor({ isTerminal, env }: Io): Paint {
  return isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb" ? colours : noColours;
}

function sayJson(io: Io, json: string): void {
  io.out(`${harmless(json)}\n`);
}
