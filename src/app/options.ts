import type { Config } from "../config/config.ts";
import type { Log } from "../lib/log.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import type { Counters } from "../pipeline/counters.ts";
import type { LatencyWindow } from "../pipeline/latency.ts";
import type { Decode } from "../pipeline/ports.ts";
import type { Start } from "../state/starts.ts";
import type { Streams, StreamsDeps } from "../streams/streams.ts";
import type { Notifier } from "../systemd/notify.ts";

export interface AppOptions {
  readonly config: Config;
  readonly log: Log;
  /** Ours, for the table about ourselves. */
  readonly version: string;
  /** A directory that lives as long as this boot (systemd's RUNTIME_DIRECTORY), if there is one. */
  readonly runtimeDir?: string | undefined;
  /** Of this process; without it, it is a run that nobody records (`flightline demo`). */
  readonly start?: Start | undefined;
  /** What is told to the service manager. */
  readonly notifier?: Notifier | undefined;
  /** A critical part has failed: it is to be recorded as the crash that it is. */
  readonly recordCrash?: ((thrown: unknown, part: string) => void) | undefined;
  /** Tests plant a decoder of their own. */
  readonly decode?: Decode | undefined;
  /** Tests plant a streams process of their own, and ask it. */
  readonly openStreams?: ((deps: StreamsDeps) => Streams) | undefined;
}

/** What all parts write to or wait for. */
export interface Shared {
  /** When the daemon started, on its monotonic clock. */
  readonly startedMs: number;
  readonly counters: Counters;
  readonly latency: LatencyWindow;
  /** "Look again": commits, outcomes of writes, the clock. */
  readonly activity: Wakeup;
}
