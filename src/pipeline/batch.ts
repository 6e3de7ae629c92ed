import { bytesOf, type ReadyLine, type ReadyMessage } from "./ready.ts";

export interface BatchLimits {
  readonly maxLines: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** A message, or what of it a write holds. */
export interface BatchPart {
  readonly message: ReadyMessage;
  /** At least one. */
  readonly lines: readonly ReadyLine[];
}

/**
 * Messages whose lines travel in one write. A message's lines travel together, until the server has refused
 * them: then they are told apart line by line.
 */
export class Batch {
  readonly #limits: BatchLimits;
  readonly parts: BatchPart[] = [];
  #bytes = 0;
  #lines = 0;
  #openedMs = 0;
  #schemaVersion = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  get lineCount(): number {
    return this.#lines;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest version of the schema that any of its lines was fitted to. */
  get schemaVersion(): number {
    return this.#schemaVersion;
  }

  /** Its message, when it has one only. */
  get onlyMessage(): ReadyMessage | undefined {
    return this.parts.length === 1 ? this.parts[0]?.message : undefined;
  }

  /** The message does not fit in beside what is there. */
  wouldOverflow(message: ReadyMessage): boolean {
    if (this.isEmpty) return false;
    const lines = this.#lines + message.lines.length;
    return this.#bytes + message.bytes > this.#limits.maxBytes || lines > this.#limits.maxLines;
  }

  /** `schemaVersion`: what the message's lines were fitted to; it never falls from one to the next. */
  add(message: ReadyMessage, nowMs: number, schemaVersion: number): void {
    if (this.isEmpty) {
      this.#openedMs = nowMs;
      this.#schemaVersion = schemaVersion;
    }
    this.#push({ message, lines: message.lines }, message.bytes);
  }

  #push(part: BatchPart, bytes: number): void {
    this.parts.push(part);
    this.#bytes += bytes;
    this.#lines += part.lines.length;
  }

  /** The line that a server calls so: it counts from 1. */
  lineAt(number: number): (BatchPart & { readonly line: ReadyLine }) | undefined {
    let before = 0;
    for (const part of this.parts) {
      const line = part.lines[number - 1 - before];
      if (line !== undefined) return { ...part, line };
      before += part.lines.length;
    }
    return undefined;
  }

  /** The same without some of its lines. */
  without(isLeftOut: (part: BatchPart, line: ReadyLine) => boolean): Batch {
    return this.#of(
      this.parts.map((part) => {
        const lines = part.lines.filter((line) => !isLeftOut(part, line));
        return lines.length === part.lines.length ? part : { message: part.message, lines };
      }),
    );
  }

  /**
   * Two batches: of half the messages each, or of half the lines when it has one message only. How what a server
   * refuses is told from the rest. It must have two lines.
   */
  halves(): readonly [Batch, Batch] {
    const [first, ...others] = this.parts;
    if (first !== undefined && others.length === 0) {
      const middle = Math.ceil(first.lines.length / 2);
      const { message, lines } = first;
      return [
        this.#of([{ message, lines: lines.slice(0, middle) }]),
        this.#of([{ message, lines: lines.slice(middle) }]),
      ];
    }
    const middle = Math.ceil(this.parts.length / 2);
    return [this.#of(this.parts.slice(0, middle)), this.#of(this.parts.slice(middle))];
  }

  #of(parts: readonly BatchPart[]): Batch {
    const batch = new Batch(this.#limits);
    batch.#openedMs = this.#openedMs;
    batch.#schemaVersion = this.#schemaVersion;
    for (const part of parts) if (part.lines.length > 0) batch.#push(part, bytesOf(part.lines));
    return batch;
  }

  /** When it is to be sent: at once when it is full, else when its oldest message has waited long enough. */
  dueInMs(nowMs: number): number {
    if (this.#lines >= this.#limits.maxLines || this.#bytes >= this.#limits.maxBytes) return 0;
    return Math.max(0, this.#openedMs + this.#limits.maxAgeMs - nowMs);
  }

  get text(): string {
    return this.parts.flatMap(({ lines }) => lines.map(({ text }) => text)).join("\n");
  }
}
