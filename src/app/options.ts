import type { Config } from "../config/config.ts";
import type { Log } from "../lib/log.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import type { Counters } from "../pipeline/counters.ts";
import type { LatencyWindow } from "../pipeline/latency.ts";
import type { Decode } from "../pipeline/ports.ts";

export interface AppOptions {
  readonly config: Config;
  readonly log: Log;
  /** Ours, for the table about ourselves. */
  readonly version: string;
  /** A directory that lives as long as this boot (systemd's RUNTIME_DIRECTORY), if there is one. */
  readonly runtimeDir?: string | undefined;
  /** Tests plant a decoder of their own. */
  readonly decode?: Decode | undefined;
}

/** What all parts write to or wait for. */
export interface Shared {
  readonly counters: Counters;
  readonly latency: LatencyWindow;
  /** "Look again": commits, outcomes of writes, the clock. */
  readonly activity: Wakeup;
}
