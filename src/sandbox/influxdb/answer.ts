/**
 * What the stand-in answers. Statuses and bodies are those of InfluxDB 3 Core 3.10, including what is odd
 * about them: errors have no Content-Type, some are JSON and some plain text.
 */

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Ends the work on a request with this answer. */
export class Refused extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`refused with status ${answer.status}`);
    this.answer = answer;
  }
}

export function plainError(status: number, text: string): Refused {
  return new Refused({ status, body: text });
}

export function jsonError(status: number, error: string, data?: unknown): Refused {
  return new Refused({ status, body: JSON.stringify(data === undefined ? { error } : { error, data }) });
}

/** The shape of /api/v2/write. */
export function v2Error(status: number, message: string): Refused {
  const code = v2Codes.get(status) ?? "internal error";
  return new Refused({ status, body: JSON.stringify({ code, message }) });
}

const v2Codes: ReadonlyMap<number, string> = new Map([
  [400, "invalid"],
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "not found"],
  [413, "request too large"],
]);
