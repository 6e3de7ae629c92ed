/**
 * Publishes a fleet in real time at QoS 1, as ChirpStack does with `qos = 1`, and keeps the ledger: each
 * uplink is entered before it goes out and becomes an obligation with its PUBACK. While the broker is away
 * the messages wait in the client, at most `mostInFlight`; then the fleet waits too.
 */
import mqtt from "mqtt";
import type { MqttClient } from "mqtt";
import { sleep } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import { errorText, Fault } from "../../lib/fault.ts";
import { Wakeup } from "../../lib/wakeup.ts";
import type { Ledger } from "../ledger.ts";
import type { Fleet, OutgoingMessage } from "./fleet.ts";

const mostInFlight = 1000;
const drainMs = 3000;
const reconnectMs = 500;

export interface RunDevicesDeps {
  readonly mqttUrl: string;
  readonly fleet: Fleet;
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** The broker cannot be reached; said once per outage. */
  readonly report: (fault: Fault) => void;
}

/** Runs until aborted; then waits a little for the PUBACKs that are still out. */
export async function runDevices(deps: RunDevicesDeps, signal: AbortSignal): Promise<void> {
  const client = connect(deps);
  const inFlight = new InFlight();
  try {
    const pace = new Pace(deps.clock, deps.fleet.nextAtMs);
    while (!signal.aborted) {
      await sleep(pace.waitMs(deps.fleet.nextAtMs), signal);
      await inFlight.below(mostInFlight, signal);
      if (signal.aborted) break;
      for (const message of deps.fleet.step()) publish(client, deps.ledger, inFlight, message);
    }
    await inFlight.below(1, AbortSignal.timeout(drainMs));
  } finally {
    await client.endAsync(true);
  }
}

function connect(deps: RunDevicesDeps): MqttClient {
  const client = mqtt.connect(deps.mqttUrl, {
    protocolVersion: 4,
    reconnectPeriod: reconnectMs,
    connectTimeout: 10_000,
    clean: true,
  });
  let told = false;
  client.on("connect", () => {
    told = false;
  });
  const lost = (reason: string): void => {
    if (told) return;
    told = true;
    deps.report(
      new Fault({
        code: "sandbox_broker_unreachable",
        layer: "broker",
        disposition: "retry",
        message: `the simulated devices cannot reach ${deps.mqttUrl}: ${reason}; they go on trying`,
        hint: "start a broker there, or leave out --no-broker",
      }),
    );
  };
  client.on("error", (error) => {
    lost(errorText(error));
  });
  client.on("offline", () => {
    lost("the connection is closed");
  });
  return client;
}

function publish(client: MqttClient, ledger: Ledger, inFlight: InFlight, message: OutgoingMessage): void {
  const { topic, payload, retain, uplink } = message;
  if (uplink !== undefined) ledger.published(uplink);
  inFlight.add();
  client.publish(topic, Buffer.from(payload), { qos: 1, retain }, (error) => {
    inFlight.remove();
    // An error means that the client was ended: there was no PUBACK and there is no obligation.
    if (!error && uplink !== undefined) ledger.acknowledged(uplink.deduplicationId);
  });
}

/** Counts what waits for its PUBACK. */
class InFlight {
  readonly #changed = new Wakeup();
  #count = 0;

  add(): void {
    this.#count += 1;
  }

  remove(): void {
    this.#count -= 1;
    this.#changed.notify();
  }

  async below(limit: number, signal: AbortSignal): Promise<void> {
    while (this.#count >= limit && !signal.aborted) {
      await this.#changed.changedSince(this.#changed.version, signal);
    }
  }
}

/** Maps the fleet's time onto the monotonic clock, so that a jump of the wall clock makes no burst. */
class Pace {
  readonly #clock: Clock;
  readonly #fleetMs: number;
  readonly #uptimeMs: number;

  constructor(clock: Clock, fleetMs: number) {
    this.#clock = clock;
    this.#fleetMs = fleetMs;
    this.#uptimeMs = clock.uptimeMs();
  }

  waitMs(dueMs: number): number {
    return dueMs - this.#fleetMs - (this.#clock.uptimeMs() - this.#uptimeMs);
  }
}
