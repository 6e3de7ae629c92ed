/**
 * The way to the messages: a running daemon's control socket, or the files when no daemon runs. Never both: while
 * a daemon runs nobody else opens its files.
 */
import { lookIntoFiles, openBufferFiles } from "../app/buffer-files.ts";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { JournalConfig } from "../journal/config.ts";
import { Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import {
  type BufferActions,
  type BufferAnswers,
  bufferFromJson,
  type BufferLook,
  columnsPath,
  pagePath,
} from "../status/buffer-wire.ts";
import { askControl } from "../status/control-client.ts";
import { controlAnswerUnusable, daemonAbsent } from "../status/control-faults.ts";
import { describeFault } from "./describe-fault.ts";
import type { Io } from "./io.ts";
import { type FindOptions, findStatus, placesOf } from "./status-find.ts";

type Later<Call> = Call extends (...given: infer Given) => infer Answer
  ? (...given: Given) => Promise<Awaited<Answer>>
  : never;

/** `Buffer`: what may be asked; to look is all that most need. */
export interface Access<Buffer extends BufferLook = BufferLook> {
  readonly way: "daemon" | "files";
  /** Each rejects with the signal's reason or a Fault. */
  readonly buffer: { readonly [Name in keyof Buffer]: Later<Buffer[Name]> };
  close(): Promise<void>;
}

export type Open<Buffer extends BufferLook> = (options: FindOptions, io: Io) => Promise<Access<Buffer>>;

/** The configuration has mistakes, and is needed. */
export class ConfigNeeded extends Error {
  override readonly name = "ConfigNeeded";
}

/**
 * To look, and where no daemon runs without changing a file. Throws ConfigNeeded, or a Fault: of the control socket
 * (not daemon_absent), or of opening the files.
 */
export const openLook: Open<BufferLook> = async (options, io) => {
  const found = await findDaemon(options, io);
  if (!("journal" in found)) return found;
  const { buffer, close } = lookIntoFiles(found.journal, found.sockets);
  return { way: "files", buffer: lookLater(buffer), close };
};

/** To act as well. Throws what `openLook` throws. */
export const openChange: Open<BufferActions> = async (options, io) => {
  const found = await findDaemon(options, io);
  if (!("journal" in found)) return found;
  const { buffer, close } = await openBufferFiles(found.journal, found.sockets, faultsTo(io));
  const actions: Access<BufferActions>["buffer"] = {
    ...lookLater(buffer),
    requeue: async (kind, keys) => await buffer.requeue(kind, keys),
    resend: async (keys) => await buffer.resend(keys),
    purge: async (kind, keys) => await buffer.purge(kind, keys),
  };
  return { way: "files", buffer: actions, close };
};

interface NoDaemon {
  readonly journal: JournalConfig;
  /** Where none answered. */
  readonly sockets: readonly string[];
}

async function findDaemon(options: FindOptions, io: Io): Promise<Access<BufferActions> | NoDaemon> {
  const { places, problems } = placesOf(options, io.env);
  const problemText = problems.map(formatProblem).join("");
  if (places.length === 0) throw new ConfigNeeded(problemText);
  try {
    const { path } = await findStatus(places, { signal: io.signal });
    return remote(path, io.signal);
  } catch (error) {
    const isAbsent = error instanceof Fault && error.code === "daemon_absent";
    if (!isAbsent || options.socket !== undefined) throw error;
  }
  const loaded = loadConfig({ file: options.config, env: io.env });
  if (!loaded.ok) throw new ConfigNeeded(loaded.problems.map(formatProblem).join(""));
  return { journal: loaded.config.journal, sockets: places.map(({ path }) => path) };
}

function lookLater(buffer: BufferLook): Access["buffer"] {
  return {
    stats: async () => buffer.stats(),
    page: async (query) => buffer.page(query),
    columns: async (database, after) => buffer.columns(database, after),
  };
}

/** An action answers within a few seconds; a page of one large message may take some. */
const timeoutMs = 20_000;
/** Messages have 16 MiB at most, and base64 a third more. */
const maxAnswerBytes = 32 * 1024 * 1024;

function remote(socketPath: string, signal: AbortSignal): Access<BufferActions> {
  async function ask<Kind extends keyof BufferAnswers>(
    kind: Kind,
    path: string,
    body?: object,
  ): Promise<BufferAnswers[Kind]> {
    const posted = body === undefined ? ({ method: "GET" } as const) : post(body);
    const asked = { ...posted, path, maxBytes: maxAnswerBytes };
    const answer = await askControl(socketPath, asked, { signal, timeoutMs });
    if ("found" in answer) throw daemonAbsent([{ path: socketPath, found: answer.found }]);
    if (answer.code !== 200)
      throw faultIn(answer.text) ?? controlAnswerUnusable(socketPath, `HTTP ${answer.code}`);
    const value = bufferFromJson(kind, answer.text);
    if (value === undefined) throw controlAnswerUnusable(socketPath, "it is in no format that is known here");
    return value;
  }
  return {
    way: "daemon",
    buffer: {
      stats: async () => await ask("stats", "/buffer/stats"),
      page: async (query) => await ask("page", pagePath(query)),
      columns: async (database, after) => await ask("columns", columnsPath(database, after)),
      requeue: async (kind, keys) => await ask("action", "/buffer/requeue", { kind, keys }),
      resend: async (keys) => await ask("action", "/buffer/resend", { kind: "settled", keys }),
      purge: async (kind, keys) => await ask("action", "/buffer/purge", { kind, keys }),
    },
    close: async () => {},
  };
}

function post(body: object): { readonly method: "POST"; readonly body: string } {
  return { method: "POST", body: JSON.stringify(body) };
}

/** What the daemon could not do, as it says it itself. */
function faultIn(text: string): Fault | undefined {
  try {
    const { fault } = JSON.parse(text) as { readonly fault?: ConstructorParameters<typeof Fault>[0] };
    return fault === undefined ? undefined : new Fault(fault);
  } catch {
    return undefined;
  }
}

/** Without a daemon nobody logs: what a person has to know is said to him. */
function faultsTo(io: Io): Log {
  const nothing = (): void => {};
  return {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: nothing,
    fault(fault) {
      io.err(describeFault(fault));
    },
  };
}
