/**
 * Where an answer goes: standard output, or a file that is whole or not there. What is written waits for
 * what takes it, so that a slow reader holds the server back and memory stays flat.
 */
import { once as onceEmitted } from "node:events";
import type { Stats } from "node:fs";
import { type FileHandle, open, readlink, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, isAbsolute } from "node:path";
import type { Writable } from "node:stream";
import { once } from "../lib/abort.ts";
import { errorCode, errorText, Fault } from "../lib/fault.ts";

export interface Output {
  /** So far. */
  readonly bytes: number;
  write(chunk: string | Uint8Array): Promise<void>;
  /** Little more will come: from now on `write` does not wait for whoever reads it. `finish` does. */
  hurry(): void;
  /** Everything has left, and is where it belongs. */
  finish(): Promise<void>;
  /** What was written is not the whole answer. Harmless after `finish()`. */
  discard(): Promise<void>;
}

/** `write` rejects with the error of the stream, or as soon as the signal aborts. */
export class StreamOutput implements Output {
  bytes = 0;
  readonly #stream: Writable;
  readonly #signal: AbortSignal;
  readonly #hurry = new AbortController();
  /** Aborted: there is no waiting for the reader. */
  readonly #impatient: AbortSignal;

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    this.#impatient = AbortSignal.any([signal, this.#hurry.signal]);
  }

  async write(chunk: string | Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    this.bytes += Buffer.byteLength(chunk);
    if (this.#stream.write(chunk) || this.#impatient.aborted) return;
    try {
      await onceEmitted(this.#stream, "drain", { signal: this.#impatient });
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!this.#impatient.aborted) throw error;
    }
  }

  hurry(): void {
    this.#hurry.abort();
  }

  async finish(): Promise<void> {
    const signal = this.#signal;
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stopListening = once(signal, () => {
        reject(signal.reason as Error);
      });
      this.#stream.write("", (error) => {
        stopListening();
        if (error) reject(error);
        else resolve();
      });
    });
  }

  async discard(): Promise<void> {
    // What a pipe has taken it does not give back.
  }
}

/**
 * FILE.part beside FILE, in its place at the end: whoever sees FILE sees all of it, after a power cut too.
 * Throws the faults `output_unwritable` and `output_full`.
 */
export class FileOutput implements Output {
  bytes = 0;
  readonly #named: string;
  readonly #target: string;
  readonly #part: string;
  readonly #handle: FileHandle;
  #isOver = false;

  private constructor(named: string, target: string, part: string, handle: FileHandle) {
    this.#named = named;
    this.#target = target;
    this.#part = part;
    this.#handle = handle;
  }

  static async open(named: string): Promise<FileOutput> {
    try {
      const there = await unlessAbsent(stat(named));
      if (there !== undefined && !there.isFile()) throw notAFile(named, there.isDirectory());
      const target = await targetOf(named);
      const part = `${target}.part`;
      // Left by a run that was killed. A new file also means that no link planted there is followed.
      await unlessAbsent(unlink(part));
      const handle = await open(part, "wx", there?.mode ?? 0o666);
      if (there !== undefined) await makeAlike(handle, there);
      return new FileOutput(named, target, part, handle);
    } catch (error) {
      throw outputFault(named, error);
    }
  }

  async write(chunk: string | Uint8Array): Promise<void> {
    this.bytes += Buffer.byteLength(chunk);
    await this.#attempt(async () => {
      // Writes on from where it is, as often as it takes.
      await this.#handle.writeFile(chunk);
    });
  }

  hurry(): void {
    // Nobody reads it yet.
  }

  async finish(): Promise<void> {
    await this.#attempt(async () => {
      await this.#handle.sync();
      const [ours, there] = [await this.#handle.stat(), await stat(this.#part)];
      if (ours.ino !== there.ino || ours.dev !== there.dev) throw takenOver(this.#named);
      await this.#handle.close();
      await rename(this.#part, this.#target);
      this.#isOver = true;
    });
  }

  async discard(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    // The fault that brought us here is the one to report.
    await this.#handle.close().catch(() => undefined);
    await unlink(this.#part).catch(() => undefined);
  }

  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      throw outputFault(this.#named, error);
    }
  }
}

/** As many links the system itself follows (Linux: 40). */
const maxLinks = 40;

/** A link stays one: what it leads to is replaced, or made where nothing is yet. */
async function targetOf(named: string): Promise<string> {
  let path = named;
  for (let links = 0; links < maxLinks; links += 1) {
    const whole = await unlessAbsent(realpath(path));
    if (whole !== undefined) return whole;
    const next = await readlink(path).catch(() => undefined);
    if (next === undefined) return path;
    // Not normalized: the system goes through ".." behind a link in its own way.
    path = isAbsolute(next) ? next : `${dirname(path)}/${next}`;
  }
  return path;
}

/** Undefined: there is no such file. */
async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** As far as this user and that file system allow: whose it is, and its mode, of which `open` takes the umask away. */
async function makeAlike(handle: FileHandle, { uid, gid, mode }: Stats): Promise<void> {
  await handle.chown(uid, gid).catch(() => undefined);
  await handle.chmod(mode & 0o777).catch(() => undefined);
}

function notAFile(name: string, isDirectory: boolean): Fault {
  return unwritable(
    `${name} is ${isDirectory ? "a directory" : "a device or a pipe, not a file"}`,
    isDirectory ? "name a file in it" : "leave out --output, and send standard output there: > FILE",
  );
}

function takenOver(name: string): Fault {
  return unwritable(
    `somebody else has replaced ${name}.part meanwhile`,
    "does the same command run twice? Give each a file of its own",
  );
}

const hints: Readonly<Record<string, string>> = {
  EACCES: "choose a directory that this user may write to, or run it as another user",
  EPERM: "choose a directory that this user may write to, or run it as another user",
  EROFS: "that file system is read-only: choose a directory on another one",
  ENOENT: "the directory does not exist: create it first",
  ENOTDIR: "a part of that path is a file, not a directory",
  EISDIR: "there is a directory in the way",
  ELOOP: "links lead in a circle there: remove one of them, or name another file",
  ENAMETOOLONG: "choose a shorter name",
};

const full: Readonly<Record<string, string>> = {
  ENOSPC: "free space on that disk, or choose another one",
  EDQUOT: "this user's quota on that disk is used up: free space, or choose another disk",
  EFBIG: "files are limited in size there: ulimit -f, or the file system",
};

/** What an errno of the system means for `--output`; anything else is returned as it is. */
export function outputFault(name: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof Fault || code === undefined || !/^E[A-Z0-9]+$/.test(code)) return error;
  const message = `cannot write ${name}: ${errorText(error)}`;
  const hint = full[code];
  if (hint !== undefined) {
    return new Fault({
      code: "output_full",
      layer: "host",
      disposition: "drop",
      message,
      hint,
      cause: error,
    });
  }
  return unwritable(message, hints[code] ?? "choose another file", error);
}

function unwritable(message: string, hint: string, cause?: unknown): Fault {
  return new Fault({ code: "output_unwritable", layer: "host", disposition: "drop", message, hint, cause });
}
