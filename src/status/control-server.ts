import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Fault } from "../lib/fault.ts";
import { http } from "../net/node-http.ts";
import { type BufferActions, maxActionBytes } from "./buffer-wire.ts";
import { bufferPaths, type Path, RefusedRequest } from "./control-server-buffer.ts";
import type { DaemonStatus } from "./daemon-status.ts";
import { statusToJson } from "./wire.ts";

/**
 * What is answered on the control socket. One request for each connection, `maxConnections` connections, and
 * `connectionMs` for all of a connection: what a client that hangs can hold is bounded, and it is dropped.
 * A body is read for POST only, up to `maxActionBytes`.
 *
 * Nobody is asked who he is: whoever may write to the socket may do all that can be done here, so the mode of its
 * file (`control.ts`) is the only right there is.
 *
 * A fault is an answer. Anything else that is thrown is a bug: the connection ends without an answer, and the part fails.
 */
export interface ControlQuestions {
  /** A rejection is a bug. */
  status(): DaemonStatus | Promise<DaemonStatus>;
  /** "" when all is well, else why it is not. */
  health(): string;
  /** What `flightline buffer` asks for and does; absent where there is none. */
  readonly buffer?: BufferActions | undefined;
}

export interface ControlServer {
  /** Rejects with the error of the system. */
  listen(path: string): Promise<void>;
  /** Ends every connection at once. */
  close(): Promise<void>;
}

const maxConnections = 8;
const maxHeaderBytes = 4096;

/** `fail`: an answer could not be made, or the server cannot go on. */
export function createControlServer(
  questions: ControlQuestions,
  connectionMs: number,
  fail: (error: unknown) => void,
): ControlServer {
  const paths = pathsOf(questions);
  // One deadline for all of a connection takes the place of node:http's own.
  const options = { maxHeaderSize: maxHeaderBytes, headersTimeout: 0, requestTimeout: 0 };
  const server = http.createServer(options, (request, response) => {
    answer(paths, request, response).catch(fail);
  });
  server.maxConnections = maxConnections;
  // Else a client could send a thousand requests in one packet.
  server.maxRequestsPerSocket = 1;
  const connections = new Map<Socket, NodeJS.Timeout>();
  server.on("connection", (socket) => {
    connections.set(
      socket,
      setTimeout(() => socket.destroy(), connectionMs),
    );
    socket.once("close", () => {
      clearTimeout(connections.get(socket));
      connections.delete(socket);
    });
  });
  return {
    async listen(path) {
      await listening(server, path);
      server.on("error", fail);
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const [socket, timer] of connections) {
        clearTimeout(timer);
        socket.destroy();
      }
      await closed;
    },
  };
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

interface Answer {
  readonly code: number;
  /** JSON. */
  readonly body: string;
  readonly headers?: OutgoingHttpHeaders;
}

type Made = Answer | string | Promise<Answer | string>;

/** A path of the control socket; text is the body of a 200. */
interface AnyPath {
  readonly method: Path["method"];
  answer(...asked: Parameters<Path["answer"]>): Made;
}

type Paths = ReadonlyMap<string, AnyPath>;

function pathsOf(questions: ControlQuestions): Paths {
  const paths = new Map<string, AnyPath>([
    ["/status", { method: "GET", answer: async () => statusToJson(await questions.status()) }],
    ["/health", { method: "GET", answer: () => healthAnswer(questions.health()) }],
  ]);
  if (questions.buffer === undefined) return paths;
  for (const [name, path] of bufferPaths(questions.buffer)) paths.set(name, path);
  return paths;
}

function healthAnswer(reason: string): Answer {
  return reason === ""
    ? { code: 200, body: JSON.stringify({ ok: true }) }
    : { code: 503, body: JSON.stringify({ ok: false, reason }) };
}

async function answer(paths: Paths, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { code, body, headers } = await choose(paths, request);
  const bytes = Buffer.from(`${body}\n`);
  response.writeHead(code, {
    "content-type": "application/json; charset=utf-8",
    "content-length": bytes.length,
    "cache-control": "no-store",
    connection: "close",
    ...headers,
  });
  response.end(bytes);
}

async function choose(paths: Paths, request: IncomingMessage): Promise<Answer> {
  const { method, url = "" } = request;
  const [path = "", query = ""] = url.split("?", 2);
  const found = paths.get(path);
  if (found === undefined) return refusal(404, `there is nothing at ${path}`, { paths: [...paths.keys()] });
  if (method !== found.method) {
    return { ...refusal(405, `${path} is for ${found.method}`), headers: { allow: found.method } };
  }
  const body = method === "POST" ? await bodyOf(request) : "";
  if (body === undefined) return refusal(413, `a body may have ${maxActionBytes} bytes`);
  try {
    const made = await found.answer(new URLSearchParams(query), body);
    return typeof made === "string" ? { code: 200, body: made } : made;
  } catch (error) {
    if (error instanceof RefusedRequest) return refusal(400, error.message);
    if (!(error instanceof Fault)) throw error;
    const { code, layer, disposition, message, hint } = error;
    return refusal(503, message, { fault: { code, layer, disposition, message, hint } });
  }
}

/** Undefined: it is too large. One that breaks off is none: nobody waits for what is said of it. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      // What is too much is read to its end and not kept: a client that still sends hears no answer.
      if (bytes <= maxActionBytes) chunks.push(chunk);
    }
  } catch {
    return "";
  }
  return bytes > maxActionBytes ? undefined : Buffer.concat(chunks).toString("utf8");
}

function refusal(code: number, error: string, more: object = {}): Answer {
  return { code, body: JSON.stringify({ error, ...more }) };
}
