/** What can be wrong with the control socket, for the daemon that makes it and for the command that asks. */
import { errorCode, errorText, Fault } from "../lib/fault.ts";

export function controlPathTooLong(path: string, bytes: number, maxBytes: number): Fault {
  return new Fault({
    code: "control_path_too_long",
    layer: "host",
    disposition: "fatal",
    message: `the path of the control socket has ${bytes} bytes, and may have ${maxBytes}: ${path}`,
    hint: "set RUNTIME_DIRECTORY to a short directory such as /run/flightline, or choose a shorter [journal] dir",
  });
}

export function controlInUse(path: string): Fault {
  return new Fault({
    code: "control_in_use",
    layer: "host",
    disposition: "retry",
    message: `another daemon answers at the control socket ${path}`,
    hint: `stop it, or give this one a RUNTIME_DIRECTORY of its own; fuser ${path} names it`,
  });
}

export function controlUnavailable(path: string, cause: unknown): Fault {
  return new Fault({
    code: "control_unavailable",
    layer: "host",
    disposition: "retry",
    message: `there is no control socket at ${path}: ${whyUnavailable(cause)}`,
    hint: "see who may write to its directory, and what is in the way: ls -la",
    cause,
  });
}

function whyUnavailable(cause: unknown): string {
  return typeof cause === "string" ? cause : (errorCode(cause) ?? errorText(cause));
}

/** Where somebody looked for a daemon, and what was there instead. */
export interface Tried {
  readonly path: string;
  readonly found: string;
}

export function daemonAbsent(tried: readonly Tried[]): Fault {
  return new Fault({
    code: "daemon_absent",
    layer: "host",
    disposition: "fatal",
    message: `no daemon answers: ${tried.map(({ path, found }) => `${path} (${found})`).join(", ")}`,
    hint: "start it (systemctl start flightline), or name its configuration with --config or its socket with --socket",
  });
}

export function daemonSilent(path: string, timeoutMs: number): Fault {
  return new Fault({
    code: "daemon_silent",
    layer: "host",
    disposition: "fatal",
    message: `a daemon has the control socket ${path}, but has not answered within ${timeoutMs / 1000} s`,
    hint: "it is stopped or stuck: see journalctl -u flightline, then systemctl restart flightline",
  });
}

export function controlForbidden(path: string, hint: string): Fault {
  return new Fault({
    code: "control_forbidden",
    layer: "host",
    disposition: "fatal",
    message: `this user may not open the control socket ${path}`,
    hint,
  });
}

/** `what`: what came instead of an answer. */
export function controlAnswerUnusable(path: string, what: string): Fault {
  return new Fault({
    code: "control_answer_unusable",
    layer: "host",
    disposition: "fatal",
    message: `what answers at the control socket ${path} cannot be used: ${what}`,
    hint: "see that daemon and command are of one version: after an update, systemctl restart flightline",
  });
}
