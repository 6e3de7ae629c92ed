import { groupCountFor } from "../journal/commit-policy.ts";
import { Committer } from "../journal/committer.ts";
import { systemClock as clock } from "../lib/clock.ts";
import type { Wakeup } from "../lib/wakeup.ts";
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

/** One committer, fed by every source. */
export function openIngest(
  { config, log }: AppOptions,
  { journal, state, installation }: Files,
  clockWatch: ClockWatch,
  { counters, activity }: Shared,
): { readonly sources: readonly Source[]; readonly committer: Committer } {
  const sources: Source[] = [];
  const committer = new Committer({
    journal,
    commitIntervalMs: config.journal.commitIntervalMs,
    groupCount: () =>
      groupCountFor(
        sources.map(({ window, status }) => ({ window, isConnected: status.state === "connected" })),
      ),
    maxWaitingCount: 2 * Math.max(...config.mqtt.map(({ receiveMaximum }) => receiveMaximum)),
    clock,
    log,
    committed: activity,
  });
  for (const mqtt of config.mqtt) {
    const clientId = mqtt.clientId ?? clientIdOf(installation, mqtt.name);
    const session = {
      filters: () => state.sessionFilters(clientId),
      keep(filters: readonly string[]): void {
        const fault = state.recordSession(clientId, filters);
        if (fault !== undefined) log.fault(fault);
      },
    };
    const intake = ingest({ source: mqtt.name, committer, clock, clockWatch, counters });
    sources.push(new Source({ config: mqtt, clientId, session, ...intake, clock, log, random: Math.random }));
  }
  return { sources, committer };
}
