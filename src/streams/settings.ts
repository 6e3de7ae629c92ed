import type { RestartSettings } from "../supervision/restart-policy.ts";
import { defaultRestartSettings } from "../supervision/restart-policy.ts";
import type { Credit } from "./messages.ts";

/** The limits of the streams process and of what is asked of it. */
export interface StreamsSettings {
  /** V8's own limit for objects; Buffers are outside of it. */
  readonly maxHeapMiB: number;
  /** Of the whole process, as the kernel counts. */
  readonly maxRssBytes: number;
  readonly memoryEveryMs: number;
  readonly pingEveryMs: number;
  readonly pingTimeoutMs: number;
  /** Loading Arrow and gRPC takes seconds on a small machine. */
  readonly startTimeoutMs: number;
  /** Without any request for that long the process is ended. */
  readonly idleMs: number;
  /** From closing its channel to SIGKILL. */
  readonly endTimeoutMs: number;
  readonly maxUnderWay: number;
  readonly maxWaiting: number;
  /** Of one request, in the daemon: what has arrived, and what may still arrive. */
  readonly window: Credit;
  /** Beyond a request's own timeout, which the process keeps. */
  readonly graceMs: number;
  /** For a subscription that fails. */
  readonly retry: RestartSettings;
  /** For a text during which the process died. */
  readonly suspicion: RestartSettings;
}

export const defaultStreamsSettings: StreamsSettings = {
  maxHeapMiB: 192,
  // Half of the unit's MemoryMax: ours is the fault that is seen, not the kernel's kill.
  maxRssBytes: 256 * 1024 * 1024,
  memoryEveryMs: 500,
  pingEveryMs: 2000,
  pingTimeoutMs: 10_000,
  startTimeoutMs: 30_000,
  idleMs: 60_000,
  endTimeoutMs: 1000,
  maxUnderWay: 8,
  maxWaiting: 64,
  window: { rows: 2048, bytes: 1024 * 1024 },
  graceMs: 5000,
  // A trial is one run, and has failed when it fails.
  retry: { ...defaultRestartSettings, trialMs: Infinity },
  suspicion: {
    ...defaultRestartSettings,
    baseMs: 0,
    capMs: 0,
    maxRestarts: 1,
    coolDownMs: 300_000,
    trialMs: Infinity,
  },
};
