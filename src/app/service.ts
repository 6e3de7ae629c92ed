/**
 * The daemon's side of its service manager: READY when there is something to say of every neighbour, STATUS in
 * one line, and the watchdog's ping only while the critical parts move. Without a service manager it only
 * counts and watches the neighbours.
 *
 * READY does not wait for a broker or a database to be there: a gateway whose network is down is up.
 */
import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Beat } from "../lib/pulse.ts";
import type { Unhealthy } from "../supervision/heartbeat.ts";
import { type Notifier, notifyReady, notifyStatus, pingWatchdog } from "../systemd/notify.ts";
import type { Neighbour, NeighbourWatch } from "./neighbours.ts";
import type { Rates } from "./rates.ts";

export interface ServiceDeps {
  readonly notifier: Notifier;
  readonly clock: Clock;
  readonly log: Log;
  readonly startedMs: number;
  readonly rates: Rates;
  readonly watch: NeighbourWatch;
  readonly counters: () => { readonly received: number; readonly written: number };
  readonly neighbours: () => readonly Neighbour[];
  /** Nothing waits to be written: a database need not be known before READY. */
  readonly hasNothingToWrite: () => boolean;
  readonly health: () => Unhealthy | undefined;
  /** One line for `systemctl status`. */
  readonly statusText: () => string;
}

const latestReadyMs = 5000;
const tickMs = 1000;
const startTickMs = 100;
/** Between two STATUS lines, each of which costs a look at everything. */
const tellEveryMs = 5000;

/** A run that follows one that failed says READY again, which changes nothing. */
export async function runService(deps: ServiceDeps, signal: AbortSignal, beat: Beat): Promise<void> {
  const { notifier, clock, startedMs, watch, rates } = deps;
  const pingEveryMs = notifier.watchdogMs === undefined ? Infinity : notifier.watchdogMs / 4;
  let isReady = false;
  let lastText = "";
  let pingedMs = -Infinity;
  let toldMs = -Infinity;
  const health = healthTeller(deps);
  while (!signal.aborted) {
    beat();
    const nowMs = clock.uptimeMs();
    watch.look(deps.neighbours(), nowMs);
    if (!isReady && (knowsAll(deps) || nowMs - startedMs >= latestReadyMs)) {
      isReady = true;
      notifyReady(notifier);
      toldMs = -Infinity;
    }
    if (nowMs - toldMs >= tellEveryMs) {
      toldMs = nowMs;
      rates.sample(deps.counters(), nowMs);
      const text = deps.statusText();
      if (text !== lastText) notifyStatus(notifier, text);
      lastText = text;
    }
    const isWell = health();
    if (isWell && notifier.watchdogMs !== undefined && nowMs - pingedMs >= pingEveryMs) {
      pingWatchdog(notifier);
      pingedMs = nowMs;
    }
    await sleep(Math.min(isReady ? tickMs : startTickMs, pingEveryMs), signal);
  }
}

function knowsAll({ neighbours, hasNothingToWrite }: ServiceDeps): boolean {
  return neighbours().every(
    ({ isUp, layer }) => isUp !== undefined || (layer === "write" && hasNothingToWrite()),
  );
}

/** Whether all is well; says it when that changes. */
function healthTeller({ health, notifier, log }: ServiceDeps): () => boolean {
  let wasWell = true;
  return () => {
    const unhealthy = health();
    const isWell = unhealthy === undefined;
    if (isWell !== wasWell) {
      if (isWell) log.info("all critical parts move again");
      else {
        log.error("the watchdog hears nothing until all critical parts move again", {
          why: unhealthyText(unhealthy),
          watchdog_ms: notifier.watchdogMs,
        });
      }
    }
    wasWell = isWell;
    return isWell;
  };
}

/** "journal silent for 65 s, event loop 12 s late"; "" when all is well. */
export function unhealthyText(unhealthy: Unhealthy | undefined): string {
  if (unhealthy === undefined) return "";
  const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
  const silent = unhealthy.silent.map(({ name, silentMs }) => `${name} silent for ${seconds(silentMs)}`);
  const { loopLateMs } = unhealthy;
  return [...silent, ...(loopLateMs === undefined ? [] : [`event loop ${seconds(loopLateMs)} late`])].join(
    ", ",
  );
}
