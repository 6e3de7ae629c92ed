/**
 * The part of the daemon that keeps the streams process: started with the first request, watched, ended when
 * nothing was asked for a while. Its failure ends the run with a fault, and the supervisor starts the part
 * again; what waits, waits on.
 *
 * Invariants: at most one process; none while `run` does not run; every request that was under way in one
 * that failed ends with a fault that says how.
 */
import { once } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import { idleWaitMs } from "../lib/pulse.ts";
import { Wakeup } from "../lib/wakeup.ts";
import type { FlightConfig } from "../influx/flight/api.ts";
import type { FaultSummary, Life } from "../supervision/child.ts";
import { Answer } from "./answer.ts";
import { ConnectionBook } from "./connections.ts";
import { partFault, type ProcessFailure, stuckFailure } from "./faults.ts";
import type { FromProcess, Vitals } from "./messages.ts";
import type { StreamsPort, StreamsStatus } from "./port.ts";
import { Requests } from "./requests.ts";
import { defaultStreamsSettings, type StreamsSettings } from "./settings.ts";
import { defaultEntry, StreamsHost } from "./streams-host.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Watch } from "./watch.ts";

/** By name; "main" is among them. Each has a client of its own. */
export type Connections = Readonly<Record<string, FlightConfig>>;

export interface StreamsDeps {
  readonly connections: Connections;
  readonly log: Log;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** What the supervisor says of this part: while it is parked no request waits for it. */
  readonly isParked: () => boolean;
  readonly settings?: Partial<StreamsSettings>;
  /** The program of the process; default: the real one. */
  readonly entry?: URL;
}

export interface Streams {
  readonly port: StreamsPort;
  /** As a child of the supervisor, not critical. Rejects with streams_died, streams_stuck or streams_memory. */
  run(life: Life): Promise<void>;
  /**
   * For the queries that begin from now on; those under way go on with what they have. Those that wait for a
   * connection that is another one now end with streams_unavailable: its name may be that of another database.
   */
  reconfigure(connections: Connections): void;
}

export function openStreams(deps: StreamsDeps): Streams {
  return new StreamsPart(deps);
}

/** The process that is there, from its start to its end. */
interface Present {
  readonly host: StreamsHost;
  readonly watch: Watch;
  readonly startedMs: number;
  isReady: boolean;
  isBrokenSaid: boolean;
  vitals: Vitals | undefined;
  /** How it ended. */
  end: ProcessFailure | undefined;
}

class StreamsPart implements Streams {
  readonly port: StreamsPort;
  readonly #deps: StreamsDeps;
  readonly #settings: StreamsSettings;
  readonly #requests: Requests;
  readonly #subscriptions: Subscriptions;
  readonly #changed = new Wakeup();
  readonly #connections: ConnectionBook;
  #present: Present | undefined;
  #lastUsedMs = 0;
  #isStopping = false;
  #starts = 0;
  #failures = 0;
  #broken = 0;
  #lastFault: FaultSummary | undefined;

  constructor(deps: StreamsDeps) {
    this.#deps = deps;
    this.#connections = new ConnectionBook(deps.connections);
    this.#settings = { ...defaultStreamsSettings, ...deps.settings };
    const { clock, log, random } = deps;
    this.#requests = new Requests({
      clock,
      log,
      settings: this.#settings,
      timeoutMs: (name) => this.#connections.timeoutMs(name),
      closedBecause: () => this.#closedBecause(),
      redact: (text) => this.#connections.redact(text),
      changed: () => {
        this.#lastUsedMs = clock.uptimeMs();
        this.#changed.notify();
      },
    });
    const query: StreamsPort["query"] = (request, signal) => new Answer(this.#requests, request, signal);
    this.#subscriptions = new Subscriptions({ clock, log, random, retry: this.#settings.retry, query });
    this.port = {
      query,
      subscribe: (request, options) => this.#subscriptions.add(request, options),
      status: () => this.#status(),
    };
  }

  reconfigure(connections: Connections): void {
    const isChanged = this.#connections.replace(connections);
    if (this.#present === undefined) this.#connections.forget();
    else this.#present.host.send(this.#connections.message);
    this.#requests.reconfigured(isChanged);
  }

  async run(life: Life): Promise<void> {
    this.#isStopping = false;
    const drained = once(life.drain, () => {
      this.#isStopping = true;
      this.#requests.close("flightline is stopping");
      this.#changed.notify();
    });
    const ended = new AbortController();
    const standing = this.#subscriptions.run(AbortSignal.any([life.drain, ended.signal]));
    try {
      while (!life.drain.aborted) {
        await this.#waitForRequest(life);
        if (this.#requests.count > 0 && !life.drain.aborted) await this.#serve(life);
      }
    } finally {
      drained();
      ended.abort(new Error("the streams process is started again"));
      await standing;
      // When the supervisor has judged this end: it may have parked the part, and then nobody serves who waits.
      setImmediate(() => {
        const why = this.#closedBecause();
        if (why !== undefined) this.#requests.close(why);
      });
    }
  }

  async #waitForRequest({ beat, drain }: Life): Promise<void> {
    while (!drain.aborted) {
      beat();
      const { version } = this.#changed;
      if (this.#requests.count > 0) return;
      await this.#changed.changedSince(version, drain, idleWaitMs(beat));
    }
  }

  /** One process, from its start until it is not needed. */
  async #serve(life: Life): Promise<void> {
    const present = this.#start(life);
    let failure: ProcessFailure | undefined;
    try {
      failure = await this.#attend(present, life);
    } finally {
      this.#requests.detach(failure);
      if (failure !== undefined) present.host.kill();
      await present.host.end(this.#settings.endTimeoutMs);
      this.#present = undefined;
      this.#connections.forget();
    }
    if (failure !== undefined) throw this.#failed(failure);
  }

  #start(life: Life): Present {
    const { clock } = this.#deps;
    const nowMs = clock.uptimeMs();
    const host = new StreamsHost({
      entry: this.#deps.entry ?? defaultEntry(),
      maxHeapMiB: this.#settings.maxHeapMiB,
      redact: (text) => this.#connections.redact(text),
      received: (message, bytes) => {
        this.#received(present, message, bytes, life);
      },
      broken: () => {
        this.#receivedBroken(present);
      },
    });
    const watch = new Watch(this.#settings, nowMs, (ping) => host.send(ping));
    const present: Present = {
      host,
      watch,
      startedMs: nowMs,
      isReady: false,
      isBrokenSaid: false,
      vitals: undefined,
      end: undefined,
    };
    void this.#follow(present);
    this.#starts += 1;
    this.#present = present;
    host.send(this.#connections.message);
    return present;
  }

  async #follow(present: Present): Promise<void> {
    present.end = await present.host.ended;
    this.#changed.notify();
  }

  /** Until the process is not needed any more, or failed: how, then. */
  async #attend(present: Present, { beat, drain, abort }: Life): Promise<ProcessFailure | undefined> {
    const { clock } = this.#deps;
    const { idleMs } = this.#settings;
    for (;;) {
      beat();
      const { version } = this.#changed;
      const nowMs = clock.uptimeMs();
      const failure = this.#failureOf(present, nowMs);
      if (failure !== undefined) return failure;
      const { count } = this.#requests;
      if (abort.aborted || (count === 0 && (drain.aborted || nowMs - this.#lastUsedMs >= idleMs))) {
        return undefined;
      }
      await this.#changed.changedSince(version, abort, Math.max(1, present.watch.nextLookMs - nowMs));
    }
  }

  #failureOf({ host, watch, end, isReady, startedMs }: Present, nowMs: number): ProcessFailure | undefined {
    const { startTimeoutMs } = this.#settings;
    if (end !== undefined) return end;
    if (!isReady && nowMs - startedMs > startTimeoutMs) {
      return stuckFailure(`did not start within ${Math.round(startTimeoutMs / 1000)} s`);
    }
    return host.pid === undefined ? undefined : watch.look(host.pid, nowMs, isReady);
  }

  #received(present: Present, message: FromProcess, bytes: number, life: Life): void {
    if (message.kind === "pong") {
      present.watch.pong(message.id);
      present.vitals = message.vitals;
      return;
    }
    if (message.kind !== "ready") {
      this.#requests.received(message, bytes);
      return;
    }
    if (present.isReady) return;
    present.isReady = true;
    life.ready();
    this.#requests.attach((toProcess) => present.host.send(toProcess));
  }

  #receivedBroken(present: Present): void {
    this.#broken += 1;
    if (present.isBrokenSaid) return;
    present.isBrokenSaid = true;
    this.#deps.log.warn("the streams process sent something that is no message: it is dropped and counted");
  }

  #failed(failure: ProcessFailure): Fault {
    const fault = partFault(failure);
    const { code, layer, message, hint } = fault;
    this.#failures += 1;
    this.#lastFault = { code, layer, message, hint };
    return fault;
  }

  #closedBecause(): string | undefined {
    if (this.#isStopping) return "flightline is stopping";
    return this.#deps.isParked() ? "it failed again and again, and is tried again after a pause" : undefined;
  }

  #status(): StreamsStatus {
    const present = this.#present;
    return {
      state: present === undefined ? "idle" : present.isReady ? "running" : "starting",
      pid: present?.host.pid,
      vitals: present?.vitals,
      starts: this.#starts,
      failures: this.#failures,
      lastFault: this.#lastFault,
      ...this.#requests.status,
      brokenMessages: this.#broken,
      subscriptions: this.#subscriptions.status,
    };
  }
}
