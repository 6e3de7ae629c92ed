/**
 * The parts of the daemon as children of the supervisor: which of them the daemon cannot do without, how
 * long each may be silent and how long it may take to end.
 */
import type { InfluxConfig } from "../influx/config.ts";
import type { Beat } from "../lib/pulse.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import type { Child, RestartKind } from "../supervision/child.ts";

type Run = (drain: AbortSignal, abort: AbortSignal, beat: Beat) => Promise<void>;

/** The whole daemon stops within this, and so does each part. */
export const stopDeadlineMs = 10_000;

/** Idle parts beat four times within it (lib/pulse.ts). */
export const progressDeadlineMs = 60_000;

/** A source may be called like another part. */
export function sourcePart(name: string): string {
  return `source ${name}`;
}

/** Ingest, journal and forward: an event must not be taken in and then lie there. */
export function criticalChild(name: string, deadlineMs: number, run: Run): Child {
  return { name, restart: "permanent", isCritical: true, ...limits(deadlineMs), run: alive(run) };
}

/** Everything else fails alone. */
export function child(name: string, deadlineMs: number, run: Run, restart: RestartKind = "permanent"): Child {
  return { name, restart, isCritical: false, ...limits(deadlineMs), run: alive(run) };
}

function limits(deadlineMs: number): Pick<Child, "progressDeadlineMs" | "stopDeadlineMs"> {
  return { progressDeadlineMs: deadlineMs, stopDeadlineMs };
}

function alive(run: Run): Child["run"] {
  return async ({ drain, abort, beat }) => {
    await run(drain, abort, beat);
  };
}

/** The longest backoff and an attempt to connect; or, connected, a PINGRESP for each keepalive. */
export function sourceDeadlineMs({ keepaliveMs, connectTimeoutMs }: MqttConfig): number {
  return Math.max(60_000 + 2 * connectTimeoutMs, 3 * keepaliveMs) + progressDeadlineMs;
}

/** A lane waits for a slot while a batch is halved, which takes several writes. */
export function forwardDeadlineMs({ writeTimeoutMs }: InfluxConfig): number {
  return 10 * writeTimeoutMs + progressDeadlineMs;
}
