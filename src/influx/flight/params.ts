/** What a parameter may be, however it is sent. Throws the fault `flight_bad_parameter`. */
import { Fault } from "../../lib/fault.ts";

/** tonic's limit for a request is 4 MiB; the rest is for the envelope. */
const maxRequestBytes = 4 * 1024 * 1024 - 1024;

/** Ours: a name stands in every fault about its value. */
const maxNameChars = 64;

export function checkRequest(bytes: number): void {
  if (bytes <= maxRequestBytes) return;
  throw badParameter(
    `the query and its parameters are ${bytes} bytes long, and InfluxDB takes ${maxRequestBytes}`,
    "write a shorter query; long lists belong into a table that is joined",
  );
}

export function checkName(name: string): void {
  const shown = name.slice(0, maxNameChars).toWellFormed();
  if (name.length > maxNameChars) {
    throw badParameter(
      `the name of a query parameter, ${JSON.stringify(`${shown}…`)}, is ${name.length} characters long`,
      `use ${maxNameChars} characters at most`,
    );
  }
  if (/^[A-Za-z0-9_]+$/.test(name)) return;
  throw badParameter(
    `a query parameter cannot be named ${JSON.stringify(shown)}`,
    "use letters, digits and _, and no $: the parameter of $from is named from",
  );
}

export function checkFloat(name: string, value: number): void {
  if (Number.isFinite(value)) return;
  throw badParameter(`the query parameter ${name} is ${value}`, "give a finite number, or null");
}

export function checkInteger(name: string, value: bigint): void {
  if (value >= -(2n ** 63n) && value < 2n ** 64n) return;
  throw badParameter(
    `the query parameter ${name} is an integer of more than 64 bits`,
    "give it as text, or as a number that is not exact",
  );
}

/** Half a surrogate pair would make the whole request unreadable to the server, which does not say why. */
export function checkText(text: string, what: string): void {
  if (text.isWellFormed()) return;
  throw badParameter(
    `${what} contains half a character (a lone surrogate)`,
    "see where it was cut: a text must not end in the middle of a character",
  );
}

/** For callers without types. */
export function foreignType(name: string, value: unknown): Fault {
  return badParameter(
    `the query parameter ${name} is of type ${typeof value}`,
    "InfluxDB binds null, booleans, numbers and text; give a time as text and write CAST($name AS TIMESTAMP)",
  );
}

function badParameter(message: string, hint: string): Fault {
  return new Fault({ code: "flight_bad_parameter", layer: "flight", disposition: "drop", message, hint });
}
