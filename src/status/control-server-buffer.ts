/** The paths of `flightline buffer` on the control socket. What is asked wrongly is a `RefusedRequest`. */
import type { z } from "zod";
import {
  actionSchemas,
  type ActionResult,
  type BufferActions,
  bufferToJson,
  querySchemas,
} from "./buffer-wire.ts";

/** It does not mean anything here; the text is for whoever sent it. */
export class RefusedRequest extends Error {
  override readonly name = "RefusedRequest";
}

/** Makes the JSON of an answer. `query` is of GET, `body` of POST. */
export interface Path {
  readonly method: "GET" | "POST";
  answer(query: URLSearchParams, body: string): string | Promise<string>;
}

export function bufferPaths(buffer: BufferActions): ReadonlyMap<string, Path> {
  return new Map<string, Path>([
    ["/buffer/stats", { method: "GET", answer: () => bufferToJson("stats", buffer.stats()) }],
    [
      "/buffer/page",
      {
        method: "GET",
        answer(query) {
          const asked = accepted(querySchemas.page, Object.fromEntries(query));
          const { since: sinceMs, until: untilMs, content, ...rest } = asked;
          return bufferToJson("page", buffer.page({ ...rest, sinceMs, untilMs, content: content === "1" }));
        },
      },
    ],
    [
      "/buffer/columns",
      {
        method: "GET",
        answer(query) {
          const { database, after } = accepted(querySchemas.columns, Object.fromEntries(query));
          return bufferToJson("columns", buffer.columns(database, after));
        },
      },
    ],
    ["/buffer/requeue", action(actionSchemas.requeue, ({ kind, keys }) => buffer.requeue(kind, keys))],
    ["/buffer/resend", action(actionSchemas.resend, ({ keys }) => buffer.resend(keys))],
    ["/buffer/purge", action(actionSchemas.purge, ({ kind, keys }) => buffer.purge(kind, keys))],
  ]);
}

function action<Asked>(schema: z.ZodType<Asked>, act: (asked: Asked) => Promise<ActionResult>): Path {
  return {
    method: "POST",
    answer: async (_query, body) => bufferToJson("action", await act(accepted(schema, parsed(body)))),
  };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new RefusedRequest("the body is no JSON");
  }
}

function accepted<Asked>(schema: z.ZodType<Asked>, value: unknown): Asked {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw new RefusedRequest(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is not understood"}`);
}
