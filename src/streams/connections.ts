/** The connections of the part: what the process is told of them, and which texts are secrets because of them. */
import { isDeepStrictEqual } from "node:util";
import type { FlightConfig } from "../influx/flight/api.ts";
import { redactorOf } from "../influx/redact.ts";
import { type PlainConfig, plainConfigOf, type ToProcess } from "./messages.ts";

type Configs = Readonly<Record<string, FlightConfig>>;

export class ConnectionBook {
  #configs: Configs;
  #id = 1;
  #tokens: ReadonlySet<string> = new Set();
  #redact: (text: string) => string = (text) => text;

  constructor(configs: Configs) {
    this.#configs = configs;
    this.forget();
  }

  /** For the process. */
  get message(): ToProcess {
    return { kind: "configure", id: this.#id, connections: plain(this.#configs) };
  }

  /** Of a query by that connection; undefined: there is none. */
  timeoutMs(name: string): number | undefined {
    return this.#configs[name]?.timeoutMs;
  }

  /** Takes out every token since the last `forget`: a process that lives may still say an old one. */
  redact(text: string): string {
    return this.#redact(text);
  }

  /** Says of each name whether it is another connection now, or none. */
  replace(configs: Configs): (name: string) => boolean {
    const [before, now] = [plain(this.#configs), plain(configs)];
    this.#configs = configs;
    this.#id += 1;
    this.#conceal([...this.#tokens, ...tokensOf(configs)]);
    return (name) => !isDeepStrictEqual(before[name], now[name]);
  }

  /** There is no process that knows more than the present tokens. */
  forget(): void {
    this.#conceal(tokensOf(this.#configs));
  }

  #conceal(tokens: readonly string[]): void {
    this.#tokens = new Set(tokens);
    this.#redact = redactorOf(this.#tokens);
  }
}

function plain(configs: Configs): Record<string, PlainConfig> {
  return Object.fromEntries(Object.entries(configs).map(([name, config]) => [name, plainConfigOf(config)]));
}

function tokensOf(configs: Configs): string[] {
  return Object.values(configs).flatMap(({ token }) => token?.reveal() ?? []);
}
