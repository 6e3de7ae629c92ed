import { groupCountFor } from "../journal/commit-policy.ts";
import { Committer } from "../journal/committer.ts";
import { systemClock as clock } from "../lib/clock.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import type { DaemonMode } from "../mqtt/session.ts";
import { Source } from "../mqtt/source.ts";
import { ClockWatch } from "../pipeline/clock-trust.ts";
import { ingest } from "../pipeline/ingest.ts";
import { clientIdOf } from "../state/client-id.ts";
import { clockSyncProbe } from "../systemd/clock-sync.ts";
import type { Files } from "./files.ts";
import type { AppOptions, Shared } from "./options.ts";

export function openClockWatch(
  { config, log }: AppOptions,
  { journal }: Files,
  released: Wakeup,
): ClockWatch {
  const clockWatch = new ClockWatch({
    clock,
    settings: config.clock,
    lastTrustedMs: journal.lastTrustedMs,
    log,
    released,
    isSynchronised: config.clock.ntp === "require" ? clockSyncProbe() : () => undefined,
    learnOffset: (offsetMs) => journal.boots.learnOffset(offsetMs),
    decideNoOffset: () => journal.boots.decideNoOffset(),
  });
  clockWatch.look();
  return clockWatch;
}

/** One committer, fed by every source; `sources` are those that are connected or try to be, at any time; `mqtt`, what is configured then. */
export function openCommitter(
  { config, log }: AppOptions,
  { journal }: Files,
  { activity }: Shared,
  sources: () => readonly Source[],
  mqtt: () => readonly MqttConfig[],
): Committer {
  return new Committer({
    journal,
    commitIntervalMs: config.journal.commitIntervalMs,
    groupCount: () =>
      groupCountFor(
        sources().map(({ window, status }) => ({ window, isConnected: status.state === "connected" })),
      ),
    get maxWaitingCount() {
      return 2 * Math.max(...mqtt().map(({ receiveMaximum }) => receiveMaximum));
    },
    clock,
    log,
    committed: activity,
  });
}

export function openSource(
  mqtt: MqttConfig,
  { log }: AppOptions,
  { state, installation }: Files,
  { committer, clockWatch, mode, shared: { counters } }: Intake,
): Source {
  const clientId = mqtt.clientId ?? clientIdOf(installation, mqtt.name);
  const session = {
    filters: () => state.sessionFilters(clientId),
    keep(filters: readonly string[]): void {
      const fault = state.recordSession(clientId, filters);
      if (fault !== undefined) log.fault(fault);
    },
  };
  const intake = ingest({ source: mqtt.name, committer, clock, clockWatch, counters });
  return new Source({ config: mqtt, clientId, session, mode, ...intake, clock, log, random: Math.random });
}

interface Intake {
  readonly mode: DaemonMode;
  readonly committer: Committer;
  readonly clockWatch: ClockWatch;
  readonly shared: Shared;
}
