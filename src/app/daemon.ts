/**
 * The running daemon: its parts, in the order of the data, under one supervisor; and how it goes over to
 * another configuration.
 */
import { decode } from "../chirpstack/decode.ts";
import type { Config } from "../config/config.ts";
import type { Committer } from "../journal/committer.ts";
import { systemClock as clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import { Wakeup } from "../lib/wakeup.ts";
import type { MqttConfig } from "../mqtt/config.ts";
import type { Source } from "../mqtt/source.ts";
import type { ClockWatch } from "../pipeline/clock-trust.ts";
import { newCounters } from "../pipeline/counters.ts";
import { DecodedEvents } from "../pipeline/decoded.ts";
import { LatencyWindow } from "../pipeline/latency.ts";
import { sparing } from "../pipeline/recovery.ts";
import type { Snapshot } from "../status/snapshot.ts";
import type { Streams } from "../streams/streams.ts";
import type { Child } from "../supervision/child.ts";
import type { StartMode } from "../supervision/crash-guard.ts";
import { Supervisor, type SupervisorOutcome } from "../supervision/supervisor.ts";
import { type Notifier, silentNotifier } from "../systemd/notify.ts";
import type { MessageBuffer } from "./buffer.ts";
import { killerCode, openBuffer } from "./buffer-daemon.ts";
import { criticalChild, sourceDeadlineMs, sourcePart, stopDeadlineMs } from "./children.ts";
import { type Delivery, openDelivery } from "./delivery.ts";
import type { Files } from "./files.ts";
import { openClockWatch, openCommitter, openSource } from "./ingest.ts";
import { neighboursOf, NeighbourWatch } from "./neighbours.ts";
import type { AppOptions, Shared } from "./options.ts";
import { deliveryParts, partsOf, type RestOfParts, stages } from "./parts.ts";
import { Rates } from "./rates.ts";
import { type Changes, changesOf, needsRestartFault, reloadable } from "./reload.ts";
import { snapshotOf } from "./snapshot.ts";
import { inSafeMode, isEssential, type Placed, stillWaiting, type Waiting } from "./starts.ts";
import { StatusTeller } from "./status.ts";
import { connectionsOf, openStreamsOf } from "./streams.ts";
import { Turns } from "./turns.ts";

export class Daemon {
  #options: AppOptions;
  readonly #files: Files;
  readonly #notifier: Notifier;
  readonly #shared: Shared;
  readonly #clockWatch: ClockWatch;
  readonly #committer: Committer;
  readonly #decoded: DecodedEvents;
  readonly #sources = new Map<string, Source>();
  readonly #streams: Streams;
  #delivery: Delivery;
  /** In safe mode: what is started later. */
  readonly #waiting: Waiting[];
  readonly #modeChanged = new Wakeup();
  /** What the last reload could not carry out. */
  #reloadTrouble: Fault | undefined;
  readonly #supervisor: Supervisor;
  readonly #rates = new Rates();
  readonly #watch: NeighbourWatch;
  readonly #teller: StatusTeller;
  readonly #turns = new Turns();
  readonly #buffer: MessageBuffer;
  #stop: AbortSignal | undefined;

  constructor(options: AppOptions, files: Files, mode: StartMode) {
    const startedMs = clock.uptimeMs();
    this.#options = options;
    this.#files = files;
    this.#notifier = options.notifier ?? silentNotifier;
    this.#watch = new NeighbourWatch(options.log);
    const activity = new Wakeup();
    this.#shared = { startedMs, counters: newCounters(), latency: new LatencyWindow(), activity };
    this.#clockWatch = openClockWatch(options, files, activity);
    const sources = (): Source[] => [...this.#sources.values()];
    this.#committer = openCommitter(options, files, this.#shared, sources, () => this.#options.config.mqtt);
    const killers = files.state.quarantined.under(killerCode);
    this.#decoded = new DecodedEvents(sparing(killers, options.decode ?? decode), files.marker);
    this.#buffer = openBuffer(options, files, {
      committer: this.#committer,
      delivery: () => this.#delivery,
      isEnding: () => this.#stop?.aborted === true,
    });
    this.#streams = openStreamsOf(options, () => this.#supervisor);
    this.#delivery = this.#openDelivery();
    const ofBrokers = options.config.mqtt.map((mqtt) => this.#sourceChild(mqtt));
    const all = partsOf(ofBrokers, this.#delivery, this.#rest(sources));
    const isSafe = mode.mode === "safe";
    const essential = all.filter(([one]) => !isSafe || isEssential(one));
    const rest = all.filter(([one]) => isSafe && !isEssential(one));
    this.#waiting = isSafe ? inSafeMode(rest, mode.suspect, startedMs) : [];
    this.#supervisor = new Supervisor([], { clock, log: options.log, random: Math.random, stopDeadlineMs });
    for (const [one, stage] of essential) this.#supervisor.add(one, stage);
    this.#teller = new StatusTeller({
      options: () => this.#options,
      starts: files.state.starts,
      clock,
      startedMs,
      mode,
      waiting: this.#waiting,
      rates: this.#rates,
      notifier: this.#notifier,
      supervisor: this.#supervisor,
      sources,
      destinations: () => this.#delivery.destinations,
      snapshot: () => this.snapshot(),
      streams: () => this.#streams.port.status(),
      journalTrouble: () => this.#committer.trouble,
      reloadTrouble: () => this.#reloadTrouble,
      oldestUnsentS: () => this.#delivery.registry.nodeReport.figures().oldestUnsentS,
    });
  }

  snapshot(): Snapshot {
    const { destinations, registry } = this.#delivery;
    const parts = { shared: this.#shared, committer: this.#committer, destinations };
    return snapshotOf(this.#files, { ...parts, sources: [...this.#sources.values()] }, registry.projector);
  }

  async run(stop: AbortSignal, urgent: AbortSignal): Promise<SupervisorOutcome> {
    this.#stop = stop;
    try {
      const outcome = await this.#supervisor.run(stop, urgent);
      this.#recordEnd(outcome);
      return outcome;
    } finally {
      await this.#turns.end();
      await this.#delivery.close();
    }
  }

  #recordEnd({ failure }: SupervisorOutcome): void {
    const { start, recordCrash, log } = this.#options;
    if (failure !== undefined) recordCrash?.(failure.error, failure.part);
    else if (start !== undefined) {
      const fault = this.#files.state.starts.endClean();
      if (fault !== undefined) log.fault(fault);
    }
  }

  /** What it changed; undefined after the end of the daemon, when it changes nothing. Rejects for a bug. */
  async reload(config: Config): Promise<Changes | undefined> {
    return await this.#turns.take(async () => await this.#goOver(config));
  }

  /** The file has mistakes: they are told until one without is read. */
  refuseReload(fault: Fault): void {
    this.#reloadTrouble = fault;
    this.#options.log.fault(fault);
  }

  async #goOver(config: Config): Promise<Changes> {
    const changes = changesOf(this.#options.config, config);
    const isWhole = changes.atRestart.length === 0;
    this.#reloadTrouble = isWhole ? undefined : needsRestartFault(changes.atRestart);
    if (this.#reloadTrouble !== undefined) this.#options.log.fault(this.#reloadTrouble);
    this.#options = { ...this.#options, config: reloadable(this.#options.config, config) };
    // First those that are new: a broker that has got another name is not left without a subscriber.
    for (const mqtt of changes.added) this.#supervisor.add(this.#sourceChild(mqtt), stages.sources);
    for (const mqtt of changes.changed) await this.#supervisor.replace(this.#sourceChild(mqtt));
    for (const name of changes.removed) {
      await this.#supervisor.remove(sourcePart(name));
      this.#sources.delete(name);
    }
    if (changes.delivery) await this.#replaceDelivery();
    return changes;
  }

  /** The journal takes messages in meanwhile. */
  async #replaceDelivery(): Promise<void> {
    const old = this.#delivery;
    const former = new Set([...old.readers, ...old.keepers].map(({ name }) => name));
    const running = this.#supervisor.status().flatMap(({ name }) => (former.has(name) ? [name] : []));
    await Promise.all(running.map(async (name) => await this.#supervisor.remove(name)));
    await old.close();
    // Those who counted them are gone, and those who come count them again.
    Object.assign(this.#shared.counters, { held: 0, waitingForClock: 0 });
    // Connections go by their place in the configuration: nobody of the old one may ask any more.
    this.#streams.reconfigure(connectionsOf(this.#options.config));
    this.#delivery = this.#openDelivery();
    const isSafe = this.#waiting.length > 0;
    const mustWait = ([one]: Placed): boolean => isSafe && !isEssential(one) && !running.includes(one.name);
    const children = deliveryParts(this.#delivery);
    const later = stillWaiting(this.#waiting, former, children.filter(mustWait));
    this.#waiting.splice(0, Infinity, ...later);
    for (const placed of children) if (!mustWait(placed)) this.#supervisor.add(...placed);
    if (isSafe && this.#waiting.length === 0) this.#modeChanged.notify();
  }

  #openDelivery(): Delivery {
    return openDelivery(this.#options, this.#files, {
      committer: this.#committer,
      clockWatch: this.#clockWatch,
      decoded: this.#decoded,
      streams: this.#streams.port,
      shared: this.#shared,
      snapshot: () => this.snapshot(),
    });
  }

  #sourceChild(mqtt: MqttConfig): Child {
    const source = openSource(mqtt, this.#options, this.#files, {
      committer: this.#committer,
      clockWatch: this.#clockWatch,
      mode: { isSafe: () => this.#waiting.length > 0, changed: this.#modeChanged },
      shared: this.#shared,
    });
    this.#sources.set(mqtt.name, source);
    return criticalChild(sourcePart(mqtt.name), sourceDeadlineMs(mqtt), async (drain, _abort, beat) => {
      await source.run(drain, beat);
    });
  }

  /** Some of it is not there yet when the parts are made. */
  #rest(sources: () => readonly Source[]): RestOfParts {
    return {
      options: () => this.#options,
      files: this.#files,
      notifier: this.#notifier,
      shared: this.#shared,
      clockWatch: this.#clockWatch,
      committer: this.#committer,
      streams: this.#streams,
      buffer: this.#buffer,
      rates: this.#rates,
      watch: this.#watch,
      waiting: () => this.#waiting,
      neighbours: () => neighboursOf(sources(), this.#delivery.destinations),
      snapshot: () => this.snapshot(),
      health: () => this.#supervisor.health(),
      teller: () => this.#teller,
      startWaiting: async (next) => await this.#startWaiting(next),
    };
  }

  async #startWaiting(next: Waiting): Promise<void> {
    await this.#turns.take(async () => {
      // A reload may have put another one in its place.
      if (this.#waiting[0] !== next) return;
      this.#waiting.shift();
      this.#options.log.info("started after safe mode", { part: next.child.name });
      this.#supervisor.add(next.child, next.stage);
      if (this.#waiting.length === 0) this.#modeChanged.notify();
    });
  }
}
