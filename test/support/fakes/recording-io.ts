import type { Io } from "../../../src/cli/io.ts";

export interface RecordingIo {
  readonly io: Io;
  /** What was printed so far. */
  readonly out: () => string;
  readonly err: () => string;
}

/** A command's surroundings that keep what it prints. Not a terminal; `signal` ends the command. */
export function recordingIo(signal: AbortSignal = new AbortController().signal): RecordingIo {
  let out = "";
  let err = "";
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    isTerminal: false,
    signal,
  };
  return { io, out: () => out, err: () => err };
}
