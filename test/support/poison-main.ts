/**
 * `flightline run -c FILE` with a planted decoder: a message that holds one of the texts of POISON_TEXT
 * (separated by commas) does to the process what POISON_KIND says; every other one is decoded as ever.
 */
import { decode } from "../../src/chirpstack/decode.ts";
import { runCommand } from "../../src/cli/run.ts";

const texts = (process.env["POISON_TEXT"] ?? "").split(",");
const kinds: Readonly<Record<string, () => void>> = {
  kill: () => {
    process.kill(process.pid, "SIGKILL");
    // The signal arrives when this thread next returns from the kernel: nothing may happen before that.
    for (;;) process.hrtime();
  },
  heap: () => {
    const hoard: number[][] = [];
    for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => index + hoard.length));
  },
  throw: () => {
    throw new Error("planted: the decoder throws");
  },
};
const poison = kinds[process.env["POISON_KIND"] ?? ""];
if (poison === undefined || texts.includes("")) throw new Error("POISON_KIND or POISON_TEXT is missing");

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
process.exitCode = await runCommand(
  {
    config: process.argv.at(-1) ?? "",
    decode: (topic, payload) => {
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
      if (texts.some((text) => bytes.includes(text))) poison();
      return decode(topic, payload);
    },
  },
  {
    out: (line) => process.stdout.write(line),
    err: (line) => process.stderr.write(line),
    env: process.env,
    isTerminal: false,
    signal: stop.signal,
  },
);
