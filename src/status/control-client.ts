/** What a command asks a running daemon: one request on its control socket, bounded in time and size. */
import type { IncomingMessage } from "node:http";
import { afterDelay, once } from "../lib/abort.ts";
import { errorCode, errorText, type Fault } from "../lib/fault.ts";
import { http } from "../net/node-http.ts";
import { controlAccessHint } from "./control-access.ts";
import { controlAnswerUnusable, controlForbidden, daemonSilent } from "./control-faults.ts";
import { maxControlPathBytes } from "./control-path.ts";
import type { DaemonStatus } from "./daemon-status.ts";
import { statusFromJson } from "./wire.ts";

export interface AskOptions {
  readonly signal: AbortSignal;
  /** For all of it; default 5 s. */
  readonly timeoutMs?: number;
}

export interface StatusAnswer {
  /** Of the control socket that answered. */
  readonly path: string;
  readonly status: DaemonStatus;
  /** As it came: JSON. */
  readonly text: string;
}

const maxStatusBytes = 4 * 1024 * 1024;

/** No daemon is there; what is there instead, in a few words. */
export interface NobodyThere {
  readonly found: string;
}

/** Rejects with the signal's reason or a Fault: daemon_silent, control_forbidden, control_answer_unusable. */
export async function askStatus(path: string, options: AskOptions): Promise<StatusAnswer | NobodyThere> {
  if (Buffer.byteLength(path) > maxControlPathBytes) return { found: "too long for the path of a socket" };
  const asked = { method: "GET", path: "/status", maxBytes: maxStatusBytes } as const;
  const answer = await askControl(path, asked, options);
  if ("found" in answer) return answer;
  if (answer.code !== 200) throw controlAnswerUnusable(path, `HTTP ${answer.code}`);
  const status = statusFromJson(answer.text);
  if (status === undefined)
    throw controlAnswerUnusable(path, "it is no status in a format that is known here");
  return { path, status, text: answer.text };
}

export interface ControlRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** JSON, of POST. */
  readonly body?: string;
  /** Of the answer. */
  readonly maxBytes: number;
}

/** Rejects with the signal's reason or a Fault: daemon_silent, control_forbidden, control_answer_unusable. */
export async function askControl(
  socketPath: string,
  asked: ControlRequest,
  options: AskOptions,
): Promise<Answer | NobodyThere> {
  try {
    return await exchange(socketPath, asked, options);
  } catch (error) {
    options.signal.throwIfAborted();
    const found = absences[errorCode(error) ?? ""];
    if (found !== undefined) return { found };
    throw await diagnosed(socketPath, error, asked, options);
  }
}

const absences: Readonly<Record<string, string>> = {
  ENOENT: "not there",
  ENOTDIR: "not there",
  ECONNREFUSED: "nobody listens",
};

interface Answer {
  readonly code: number;
  readonly text: string;
}

/** Told from the errors of the system by its code. */
class Unusable extends Error {
  override readonly name = "Unusable";
  readonly code: "TIMEOUT" | "TOO_LARGE";

  constructor(code: Unusable["code"]) {
    super(code);
    this.code = code;
  }
}

const defaultTimeoutMs = 5000;

async function exchange(
  socketPath: string,
  { method, path, body = "", maxBytes }: ControlRequest,
  { signal, timeoutMs }: AskOptions,
): Promise<Answer> {
  signal.throwIfAborted();
  return await new Promise<Answer>((resolve, reject) => {
    // Its own agent, which keeps no connection.
    const request = http.request({ socketPath, path, method, agent: false });
    const stopWaiting = afterDelay(timeoutMs ?? defaultTimeoutMs, () => stop(new Unusable("TIMEOUT")));
    const stopListening = once(signal, () => stop(new Error("interrupted")));
    function finish(): void {
      stopWaiting();
      stopListening();
    }
    function stop(error: Error): void {
      finish();
      reject(error);
      request.destroy();
    }
    async function take(response: IncomingMessage): Promise<void> {
      const text = await collect(response, maxBytes);
      finish();
      resolve({ code: response.statusCode ?? 0, text });
    }
    // Stays to the end: destroying a request makes it emit an error that nobody else would hear.
    request.on("error", stop);
    request.once("response", (response) => void take(response).catch(stop));
    request.end(body);
  });
}

async function collect(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Unusable("TOO_LARGE");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function diagnosed(
  path: string,
  error: unknown,
  { maxBytes }: ControlRequest,
  { timeoutMs }: AskOptions,
): Promise<Fault> {
  switch (errorCode(error)) {
    case "EACCES":
    case "EPERM":
      return controlForbidden(path, await controlAccessHint(path));
    // EAGAIN: it accepts nothing any more.
    case "TIMEOUT":
    case "EAGAIN":
      return daemonSilent(path, timeoutMs ?? defaultTimeoutMs);
    case "TOO_LARGE":
      return controlAnswerUnusable(path, `more than ${maxBytes} bytes`);
    case "ECONNRESET":
      return controlAnswerUnusable(path, "the connection was closed without an answer");
    default:
      return controlAnswerUnusable(path, errorCode(error) ?? errorText(error));
  }
}
