/** Faults as they cross: V8's format keeps an error's text and stack, and loses code, disposition and hint. Pure. */
import { errorText, Fault, type Disposition, type Layer, layers } from "../lib/fault.ts";
import { isText, nothingOr, oneOf, shape } from "./shape.ts";

const maxTextLength = 2000;
const maxStackLength = 8000;

export interface PlainFault {
  readonly code: string;
  readonly layer: Layer;
  readonly disposition: Disposition;
  readonly message: string;
  readonly hint: string | undefined;
  /** Of a bug. */
  readonly stack: string | undefined;
}

export const isPlainFault = shape({
  code: isText,
  layer: oneOf(...layers),
  disposition: oneOf("retry", "drop", "quarantine", "restart", "fatal"),
  message: isText,
  hint: nothingOr(isText),
  stack: nothingOr(isText),
});

/** A fault as it is; anything else that was thrown is a bug that ended this one request. */
export function plainFaultOf(thrown: unknown): PlainFault {
  if (thrown instanceof Fault) {
    const { code, layer, disposition, message, hint } = thrown;
    return { code, layer, disposition, message: cut(message), hint: hint && cut(hint), stack: undefined };
  }
  return {
    code: "streams_request_failed",
    layer: "flight",
    disposition: "drop",
    message: cut(`the query ended through a bug: ${errorText(thrown)}`),
    hint: "report it with the stack that stands in the log",
    stack: thrown instanceof Error ? thrown.stack?.slice(0, maxStackLength) : undefined,
  };
}

/** `redact` takes the token out of texts that may quote anything. */
export function faultOfPlain(plain: PlainFault, redact: (text: string) => string): Fault {
  const { code, layer, disposition, message, hint } = plain;
  return new Fault({ code, layer, disposition, message: redact(message), hint: hint && redact(hint) });
}

function cut(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text;
}
