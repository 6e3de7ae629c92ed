/**
 * Where an answer goes: standard output, or a file that is whole or not there. What is written waits for
 * what takes it, so that a slow reader holds the server back and memory stays flat.
 */
import { once as onceEmitted } from "node:events";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import type { Writable } from "node:stream";
import { once } from "../lib/abort.ts";
import { errorCode, errorText, Fault } from "../lib/fault.ts";

export interface Output {
  /** So far. */
  readonly bytes: number;
  write(chunk: string | Uint8Array): Promise<void>;
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

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
  }

  async write(chunk: string | Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    this.bytes += Buffer.byteLength(chunk);
    if (this.#stream.write(chunk)) return;
    await onceEmitted(this.#stream, "drain", { signal: this.#signal });
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
      // A link stays one: what it leads to is replaced.
      const target = await realpath(named).catch(() => named);
      const there = await stat(target).catch(() => undefined);
      if (there !== undefined && !there.isFile()) throw notAFile(named, there.isDirectory());
      const part = `${target}.part`;
      // Left by a run that was killed. A new file also means that no link planted there is followed.
      await rm(part, { force: true });
      return new FileOutput(named, target, part, await open(part, "wx", there?.mode ?? 0o666));
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
    await rm(this.#part, { force: true }).catch(() => undefined);
  }

  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      throw outputFault(this.#named, error);
    }
  }
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
