import { chmod, lstat, rename, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { once, sleep } from "../lib/abort.ts";
import { errorCode, Fault } from "../lib/fault.ts";
import { controlInUse, controlPathTooLong, controlUnavailable } from "./control-faults.ts";
import { maxControlPathBytes } from "./control-path.ts";
import { type ControlQuestions, type ControlServer, createControlServer } from "./control-server.ts";

/**
 * The control socket: HTTP/1.1 on a Unix socket, for our commands and for whoever has curl:
 *
 *     curl --unix-socket /run/flightline/control.sock http://flightline/status
 *
 * The file appears by a rename, when somebody listens on it and it has its mode. It takes the place of a dead
 * daemon's file, and never of one on which somebody listens. When it is removed or replaced from outside, the
 * run fails, so that the next one makes it anew. Only a file of our own is removed at the end.
 */
export interface ControlDeps extends ControlQuestions {
  /** Its directory exists. */
  readonly path: string;
  /** From here on it can be asked. */
  ready(): void;
  /** The file was looked at and is still ours. */
  beat(): void;
  /** For all of a connection; default 10 s. */
  readonly connectionMs?: number;
  /** Between two looks at the file; default 5 s. */
  readonly lookEveryMs?: number;
}

/** Whoever may write to a socket may ask: the daemon's user and its group. */
const socketMode = 0o660;

/**
 * Resolves when aborted. Faults: control_path_too_long, control_in_use, control_unavailable; what `status` and
 * `health` throw comes out too.
 */
export async function runControlSocket(deps: ControlDeps, signal: AbortSignal): Promise<void> {
  const { path } = deps;
  const pathBytes = Buffer.byteLength(path);
  if (pathBytes > maxControlPathBytes) throw controlPathTooLong(path, pathBytes, maxControlPathBytes);
  const end = new AbortController();
  const stopListening = once(signal, () => {
    end.abort();
  });
  const failures: unknown[] = [];
  const server = createControlServer(deps, deps.connectionMs ?? 10_000, (error) => {
    // While all of it ends, what was asked may fail for that alone.
    if (!signal.aborted) failures.push(error);
    end.abort();
  });
  try {
    const inode = await publish(server, path);
    try {
      deps.ready();
      while (!signal.aborted && failures.length === 0) {
        if ((await inodeAt(path)) !== inode) throw controlUnavailable(path, "it was removed from outside");
        deps.beat();
        await sleep(deps.lookEveryMs ?? 5000, end.signal);
      }
    } finally {
      if ((await inodeAt(path)) === inode) await rm(path, { force: true });
    }
  } finally {
    stopListening();
    await server.close();
  }
  if (failures.length > 0) throw failures[0];
}

/** Returns what tells our file from another one of that name. */
async function publish(server: ControlServer, path: string): Promise<bigint> {
  try {
    // libuv says EACCES where there is no directory.
    await stat(dirname(path));
    await refuseIfTaken(path);
    // Nobody else has our pid; and it is no longer than the name in its place.
    const unpublished = join(dirname(path), `.ctl${process.pid}`);
    await rm(unpublished, { force: true });
    await server.listen(unpublished);
    await chmod(unpublished, socketMode);
    await rename(unpublished, path);
    return (await stat(path, { bigint: true })).ino;
  } catch (error) {
    throw error instanceof Fault ? error : controlUnavailable(path, error);
  }
}

/** A file on which nobody listens was left by a daemon that was killed: the rename replaces it. */
async function refuseIfTaken(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw controlUnavailable(path, "a file that is no socket is in the way");
  const code = await connectError(path);
  if (code === "ECONNREFUSED" || code === "ENOENT") return;
  // EAGAIN: it listens, and is too busy to accept.
  if (code === undefined || code === "EAGAIN") throw controlInUse(path);
  throw controlUnavailable(path, `${code} from the socket that is there`);
}

/** Undefined: somebody accepts. */
async function connectError(path: string): Promise<string | undefined> {
  const socket = connect(path);
  try {
    return await new Promise((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", (error) => resolve(errorCode(error) ?? error.message));
    });
  } finally {
    socket.destroy();
  }
}

async function inodeAt(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch {
    return undefined;
  }
}
