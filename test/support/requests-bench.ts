/** The requests of the daemon, with a process that is the test. */
import type { TestContext } from "node:test";
import { Answer } from "../../src/streams/answer.ts";
import type { ToProcess } from "../../src/streams/messages.ts";
import { Requests, type RequestsDeps } from "../../src/streams/requests.ts";
import { defaultStreamsSettings } from "../../src/streams/settings.ts";
import { RecordingLog } from "./fakes/recording-log.ts";
import { VirtualTime } from "./fakes/virtual-time.ts";

export const end = { rows: 0, batches: 0, keepAlives: 0, bytes: 0, trailers: {}, elapsedMs: 1, attempts: 1 };
export const death = { code: "streams_died", what: "was ended by SIGSEGV", hint: "look" } as const;
export const plainFault = {
  code: "streams_request_failed",
  layer: "flight",
  disposition: "drop",
  message: "x",
  hint: undefined,
  stack: undefined,
} as const;

interface Bench {
  readonly time: VirtualTime;
  readonly requests: Requests;
  readonly sent: ToProcess[];
  /** Resolves with what it ends with: the code of a fault, or the rows. */
  readonly ask: (text: string, timeoutMs?: number) => Promise<unknown>;
  /** A new process. */
  readonly attach: () => void;
  /** Texts that were sent to the process that is there, in order. */
  readonly asked: () => string[];
  readonly idOf: (text: string) => number;
}

export function requestsBench(t: TestContext, more: Partial<RequestsDeps> = {}): Bench {
  const time = VirtualTime.install(t);
  const sent: ToProcess[] = [];
  const requests = new Requests({
    clock: time,
    log: new RecordingLog(),
    settings: defaultStreamsSettings,
    timeoutMs: () => 60_000,
    closedBecause: () => undefined,
    redact: (text) => text,
    changed: () => undefined,
    ...more,
  });
  return {
    time,
    requests,
    sent,
    ask: async (text, timeoutMs) => {
      const query = timeoutMs === undefined ? { text } : { text, timeoutMs };
      try {
        return await new Answer(requests, query, undefined).collect();
      } catch (error) {
        return (error as { code: unknown }).code;
      }
    },
    attach: () => {
      sent.length = 0;
      requests.attach((message) => sent.push(message) > 0);
    },
    asked: () => sent.flatMap((message) => (message.kind === "query" ? message.query.text : [])),
    idOf: (text) =>
      sent.findLast((message) => message.kind === "query" && message.query.text === text)?.id ?? -1,
  };
}
