/**
 * Calls whose answer is one message, or none. They have one deadline for all attempts, end at once with their signal or
 * their client, and own nothing after that.
 */
import { once, sleep } from "../../lib/abort.ts";
import { Fault } from "../../lib/fault.ts";
import type { Exchange, ServerCall } from "./call.ts";
import { badAnswer, closed, labelled, timedOut } from "./faults.ts";
import type { ShortOptions } from "./flight-sql-api.ts";
import type { ReadingDeps } from "./reading.ts";
import { retryDelayMs } from "./retry.ts";
import { answerTo } from "./wait.ts";

interface ShortRequest extends ShortOptions {
  readonly requestId: string;
  readonly database: string;
  readonly timeoutMs: number;
}

/** Undefined: the call ended with status OK and without a message. Rejects with a `Fault`, or with the signal's reason. */
export async function shortCall<M>(
  exchange: Exchange<M>,
  request: ShortRequest,
  deps: ReadingDeps,
): Promise<M | undefined> {
  const { signal, requestId, timeoutMs, retry = "before_rows" } = request;
  const deadlineMs = performance.now() + timeoutMs;
  const stop = new AbortController();
  let lastFault: Fault | undefined;
  const member = { close: () => stop.abort(labelled(closed(), requestId, 1)) };
  const stopListening = signal && once(signal, () => stop.abort(signal.reason));
  deps.underWay.add(member);
  try {
    signal?.throwIfAborted();
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt(exchange, { ...request, deadlineMs, stop: stop.signal }, deps);
      } catch (error) {
        stop.signal.throwIfAborted();
        if (!(error instanceof Fault)) throw error;
        const remainingMs = deadlineMs - performance.now();
        const failed = { fault: error, policy: retry, sawRows: false, attempts, remainingMs };
        const delayMs = retryDelayMs({ ...failed, random: deps.random });
        if (delayMs === undefined) {
          const isLate = lastFault !== undefined && error.code === "flight_timeout";
          throw labelled(isLate ? timedOut(timeoutMs, undefined, lastFault) : error, requestId, attempts);
        }
        lastFault = error;
        await sleep(delayMs, stop.signal);
        stop.signal.throwIfAborted();
      }
    }
  } finally {
    stopListening?.();
    deps.underWay.delete(member);
  }
}

/** To the end of the call: its status may still say that the message counts for nothing. */
export async function onlyMessage<M>(call: ServerCall<M>, method: string): Promise<M | undefined> {
  const message = await call.next();
  if (message === undefined || (await call.next()) === undefined) return message;
  throw badAnswer(method, "it has more than one message");
}

async function attempt<M>(
  exchange: Exchange<M>,
  request: ShortRequest & { readonly deadlineMs: number; readonly stop: AbortSignal },
  deps: ReadingDeps,
): Promise<M | undefined> {
  const { requestId, database, metadata, deadlineMs, stop } = request;
  const channel = deps.channel();
  if (channel === undefined) throw closed();
  const call = channel.call(exchange, { requestId, database, deadlineMs, ...(metadata && { metadata }) });
  try {
    return await answerTo(async () => await onlyMessage(call, exchange.method), stop);
  } finally {
    // Harmless after the end.
    call.cancel();
  }
}
