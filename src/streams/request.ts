/**
 * One request of the daemon, from its first pull to its end: its time, and what the process may still send of
 * it, which the daemon counts itself, in rows and in bytes of frames.
 */
import { timerMs } from "../lib/abort.ts";
import { withoutControls } from "../lib/one-line.ts";
import type { Answer } from "./answer.ts";
import type { Credit } from "./messages.ts";
import { keyOf, type Named } from "./suspects.ts";

/** Of a text, in a log line and in the status. */
const maxLabelLength = 200;

interface RequestOptions {
  readonly id: number;
  readonly answer: Answer;
  readonly connection: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly window: Credit;
}

export class Request {
  readonly id: number;
  readonly answer: Answer;
  readonly connection: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  /** Of its text (suspects.ts). */
  readonly key: string;
  isUnderWay = false;
  #timer: NodeJS.Timeout | undefined;
  #rowsLeft: number;
  #bytesLeft: number;

  constructor({ id, answer, connection, timeoutMs, deadlineMs, window }: RequestOptions) {
    this.id = id;
    this.answer = answer;
    this.connection = connection;
    this.timeoutMs = timeoutMs;
    this.deadlineMs = deadlineMs;
    this.key = keyOf(answer.query.text);
    this.#rowsLeft = window.rows;
    this.#bytesLeft = window.bytes;
  }

  named(redact: (text: string) => string): Named {
    const text = withoutControls(redact(this.answer.query.text)).trim();
    const label = text.length > maxLabelLength ? `${text.slice(0, maxLabelLength)}…` : text;
    return { key: this.key, label };
  }

  /** The process may send nothing more before the reader has read. */
  get isUnread(): boolean {
    return this.#rowsLeft <= 0 || this.#bytesLeft <= 0;
  }

  /** A message with rows has come. False: there was no credit for it. */
  take(rows: number, bytes: number): boolean {
    const isWithin = !this.isUnread && rows <= this.#rowsLeft;
    this.#rowsLeft -= rows;
    this.#bytesLeft -= bytes;
    return isWithin;
  }

  extend({ rows, bytes }: Credit): void {
    this.#rowsLeft += rows;
    this.#bytesLeft += bytes;
  }

  /** In place of the timer before. */
  arm(delayMs: number, late: () => void): void {
    this.disarm();
    this.#timer = setTimeout(late, timerMs(delayMs));
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }
}
