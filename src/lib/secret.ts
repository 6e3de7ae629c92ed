import { inspect } from "node:util";

/**
 * A password or token that cannot be printed by accident: string conversion, JSON and `util.inspect`
 * all give `[secret]`. Only `reveal()` gives the text, and it is called where the wire needs it.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}
