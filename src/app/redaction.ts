import { redactor } from "../influx/redact.ts";
import { Secret } from "../lib/secret.ts";

/**
 * A function that takes every `Secret` that stands anywhere in a configuration out of a text. It costs
 * nothing until it is called.
 */
export function configRedactor(config: object): (text: string) => string {
  return (text) => {
    const secrets = secretsIn(config).map((secret) => secret.reveal());
    // Of two secrets one may be a part of the other.
    const longestFirst = secrets.sort((one, other) => other.length - one.length);
    return longestFirst.reduce((rest, secret) => redactor(secret)(rest), text);
  };
}

function secretsIn(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(secretsIn);
}
