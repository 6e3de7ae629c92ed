import { redactorOf } from "../influx/redact.ts";
import { Secret } from "../lib/secret.ts";

/**
 * A function that takes every `Secret` that stands anywhere in a configuration out of a text. It costs
 * nothing until it is called.
 */
export function configRedactor(config: object): (text: string) => string {
  return (text) => redactorOf(secretsIn(config).map((secret) => secret.reveal()))(text);
}

function secretsIn(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(secretsIn);
}
