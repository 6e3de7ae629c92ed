import { connect, type Socket } from "node:net";
import { afterDelay, once } from "../lib/abort.ts";
import { errorCode } from "../lib/fault.ts";
import { marksOf } from "./diagnose.ts";
import { farewell, firstWords, httpAnswer, isWhole, question, recognise } from "./probe-answer.ts";
import type { Answer, Asked } from "./probe-report.ts";

/**
 * Short connections of a probe. Each function resolves within its `Bound` and never rejects; no socket that it
 * opened is left to anybody but the caller that it was given to.
 */

/** Time left, and the signal that ends it all. */
export interface Bound {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Of an answer: the head of an HTTP page, with its title. */
const maxAnswerBytes = 16 * 1024;

/** A few bytes, which the kernel takes at once. */
const leaveMs = 100;

/** A connected socket, or the code of the failure. */
export async function dial(
  to: { readonly address: string; readonly port: number },
  bound: Bound,
): Promise<Socket | string> {
  const socket = connect({ host: to.address, port: to.port, autoSelectFamily: false });
  const outcome = await within<Socket | string>(bound, "ETIMEDOUT", (settle) => {
    socket.once("connect", () => settle(socket));
    // Stays: what goes wrong later is seen by who reads, and must not be an unheard error.
    socket.on("error", (error) => settle(errorCode(error) ?? "ECONNABORTED"));
  });
  if (outcome !== socket) socket.destroy();
  return outcome;
}

/** Asks once, listens until the answer is whole, and closes the connection, which may be inside of TLS. */
export async function ask(
  socket: Socket,
  what: { readonly asked: Asked; readonly host: string },
  bound: Bound,
): Promise<Answer> {
  const startedMs = performance.now();
  const chunks: Buffer[] = [];
  let size = 0;
  let failure: Error | undefined = socket.errored ?? undefined;
  const end = await within<Answer["end"]>(bound, "late", (settle) => {
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk.subarray(0, maxAnswerBytes - size));
      size = Math.min(maxAnswerBytes, size + chunk.length);
      if (size === maxAnswerBytes || isWhole(Buffer.concat(chunks))) settle("answered");
    });
    socket.on("error", (error: Error) => {
      failure ??= error;
      settle("cut");
    });
    socket.once("end", () => settle("closed"));
    socket.once("close", () => settle(failure === undefined ? "closed" : "cut"));
    if (socket.destroyed) settle(failure === undefined ? "closed" : "cut");
    else socket.write(question(what.asked, what.host));
  });
  const bytes = Buffer.concat(chunks);
  const heard = recognise(bytes);
  const ms = elapsed(startedMs);
  const last = farewell(heard);
  if (last !== undefined && end === "answered") await leavePolitely(socket, last, bound);
  socket.destroy();
  return {
    ms,
    asked: what.asked,
    heard,
    bytes: size,
    end,
    http: heard === "http1" ? httpAnswer(bytes, Date.now()) : undefined,
    said: heard === "other" ? firstWords(bytes) : undefined,
    marks: failure === undefined ? undefined : marksOf(failure),
  };
}

async function leavePolitely(socket: Socket, last: Buffer, { signal }: Bound): Promise<void> {
  await within<undefined>({ timeoutMs: leaveMs, signal }, undefined, (settle) => {
    socket.once("close", () => settle(undefined));
    socket.end(last, () => socket.destroy());
  });
}

/** The first that `start` settles with, or `late` when the time is over or the signal aborts. */
export async function within<T>(
  { timeoutMs, signal }: Bound,
  late: T,
  start: (settle: (value: T) => void) => void,
): Promise<T> {
  if (signal.aborted || timeoutMs <= 0) return late;
  return await new Promise<T>((resolve) => {
    const stopListening = once(signal, () => settle(late));
    const stopWaiting = afterDelay(timeoutMs, () => settle(late));
    function settle(value: T): void {
      stopWaiting();
      stopListening();
      resolve(value);
    }
    start(settle);
  });
}

export function elapsed(sinceMs: number): number {
  return Math.round((performance.now() - sinceMs) * 10) / 10;
}
