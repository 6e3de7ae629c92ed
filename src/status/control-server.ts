import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { http } from "../net/node-http.ts";
import type { DaemonStatus } from "./daemon-status.ts";
import { statusToJson } from "./wire.ts";

/**
 * What is answered on the control socket. One request for each connection, `maxConnections` connections, and
 * `connectionMs` for all of a connection: what a client that hangs can hold is bounded, and it is dropped.
 * Bodies are not read.
 */
export interface ControlQuestions {
  /** A rejection is a bug. */
  status(): DaemonStatus | Promise<DaemonStatus>;
  /** "" when all is well, else why it is not. */
  health(): string;
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
  const answers = answersTo(questions);
  // One deadline for all of a connection takes the place of node:http's own.
  const options = { maxHeaderSize: maxHeaderBytes, headersTimeout: 0, requestTimeout: 0 };
  const server = http.createServer(options, (request, response) => {
    answer(answers, request, response).catch(fail);
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

/** By path; for GET. */
type Answers = ReadonlyMap<string, () => Answer | Promise<Answer>>;

function answersTo(questions: ControlQuestions): Answers {
  return new Map<string, () => Answer | Promise<Answer>>([
    ["/status", async () => ({ code: 200, body: statusToJson(await questions.status()) })],
    [
      "/health",
      () => {
        const reason = questions.health();
        return reason === ""
          ? { code: 200, body: JSON.stringify({ ok: true }) }
          : { code: 503, body: JSON.stringify({ ok: false, reason }) };
      },
    ],
  ]);
}

async function answer(answers: Answers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { code, body, headers } = await choose(answers, request);
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

async function choose(answers: Answers, { method, url = "" }: IncomingMessage): Promise<Answer> {
  const [path = ""] = url.split("?", 1);
  const make = answers.get(path);
  if (make === undefined) return refusal(404, `there is nothing at ${path}`, { paths: [...answers.keys()] });
  if (method !== "GET") return { ...refusal(405, `${path} is for GET`), headers: { allow: "GET" } };
  return await make();
}

function refusal(code: number, error: string, more: object = {}): Answer {
  return { code, body: JSON.stringify({ error, ...more }) };
}
