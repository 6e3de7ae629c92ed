/** A control socket that really listens, and clients that do what they should not. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type ControlDeps, runControlSocket } from "../../../src/status/control.ts";
import { daemonStatus } from "./fixture.ts";

export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-control-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

export interface Running {
  readonly path: string;
  /** How often the file was found in its place. */
  readonly beats: () => number;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Resolves when it can be asked; rejects when it fails before that. Stopped after the test. */
export async function startControl(
  t: TestContext,
  path: string,
  deps: Partial<ControlDeps> = {},
): Promise<Running> {
  const stop = new AbortController();
  const { promise: isReady, resolve: ready } = Promise.withResolvers<void>();
  let beats = 0;
  const ended = runControlSocket(
    {
      path,
      status: daemonStatus,
      health: () => "",
      ready,
      beat: () => {
        beats += 1;
      },
      ...deps,
    },
    stop.signal,
  );
  t.after(async () => {
    stop.abort();
    await ended.catch(() => undefined);
  });
  await Promise.race([isReady, ended]);
  return {
    path,
    beats: () => beats,
    ended,
    async stop() {
      stop.abort();
      await ended;
    },
  };
}

export interface RawClient {
  readonly socket: Socket;
  /** All that came, when the connection has ended, by whomever. */
  readonly received: Promise<string>;
}

/** Sends these bytes and waits. */
export async function rawClient(t: TestContext, path: string, bytes: string): Promise<RawClient> {
  const socket = connect(path);
  t.after(() => {
    socket.destroy();
  });
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    text += chunk;
  });
  // A connection that is cut is what some of these are for.
  socket.on("error", () => undefined);
  const received = new Promise<string>((resolve) => {
    socket.once("close", () => {
      resolve(text);
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  socket.write(bytes);
  return { socket, received };
}

export interface Reply {
  readonly code: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export function parseReply(text: string): Reply {
  const [head = "", ...body] = text.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
    }),
  );
  return { code: Number(first.split(" ")[1]), headers, body: body.join("\r\n\r\n") };
}

/** One request as any client sends it. */
export async function request(t: TestContext, path: string, line: string, headers = ""): Promise<Reply> {
  const { received } = await rawClient(t, path, `${line} HTTP/1.1\r\nHost: flightline\r\n${headers}\r\n`);
  return parseReply(await received);
}
