/**
 * Publishes messages at QoS 1 and remembers for each when it went out and when its PUBACK came: only then
 * does a test owe it. Messages that were out when a connection broke are sent again on the next one, until
 * each has its PUBACK, so a receiver may see some of them twice.
 */
import mqtt from "mqtt";
import type { MqttClient } from "mqtt";
import { setTimeout as delay } from "node:timers/promises";

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array | string;
  readonly retain?: boolean;
}

export interface PublishOptions<M extends Message> {
  readonly url: string;
  readonly messages: Iterable<M>;
  /** Messages without PUBACK at a time. */
  readonly window?: number;
  /** Without it as fast as the window allows. */
  readonly ratePerSecond?: number;
  readonly clientId?: string;
  readonly onPublish?: (message: M) => void;
  readonly onAcknowledged?: (message: M) => void;
  /** Stops publishing; what is out is not waited for. */
  readonly signal?: AbortSignal;
}

export interface PublishRecord<M extends Message> {
  readonly message: M;
  /** `performance.now()`. */
  readonly publishedMs: number;
  /** `performance.now()`; undefined when the PUBACK was not seen. */
  readonly acknowledgedMs: number | undefined;
}

export interface PublishReport<M extends Message> {
  readonly records: readonly PublishRecord<M>[];
  /** Connections after the first. */
  readonly reconnects: number;
}

/** Resolves when every message has its PUBACK, or on abort. */
export async function publishAll<M extends Message>(options: PublishOptions<M>): Promise<PublishReport<M>> {
  const run = new PublishRun(options);
  return await run.run();
}

class PublishRun<M extends Message> {
  readonly #options: PublishOptions<M>;
  readonly #records: { message: M; publishedMs: number; acknowledgedMs: number | undefined }[] = [];
  #inFlight = 0;
  #connections = 0;
  #changed: (() => void) | undefined;

  constructor(options: PublishOptions<M>) {
    this.#options = options;
  }

  async run(): Promise<PublishReport<M>> {
    const { messages, window = 100, ratePerSecond, signal } = this.#options;
    const client = this.#connect();
    const wake = (): void => this.#changed?.();
    signal?.addEventListener("abort", wake);
    const startMs = performance.now();
    try {
      for (const message of messages) {
        if (ratePerSecond !== undefined) {
          const dueMs = startMs + (1000 * this.#records.length) / ratePerSecond;
          const waitMs = dueMs - performance.now();
          if (waitMs > 1) await delay(waitMs);
        }
        await this.#below(window);
        if (signal?.aborted === true) break;
        this.#publish(client, message);
      }
      await this.#below(1);
    } finally {
      signal?.removeEventListener("abort", wake);
      await client.endAsync(true);
    }
    return { records: this.#records, reconnects: Math.max(0, this.#connections - 1) };
  }

  #connect(): MqttClient {
    const { url, clientId } = this.#options;
    const client = mqtt.connect(url, {
      protocolVersion: 4,
      // The client keeps what has no PUBACK and sends it again; the broker need not remember us.
      clean: true,
      reconnectPeriod: 50,
      connectTimeout: 2000,
      ...(clientId === undefined ? {} : { clientId }),
    });
    client.on("connect", () => {
      this.#connections += 1;
    });
    // A broker that is away is what these tests are about: the client goes on trying.
    client.on("error", () => undefined);
    return client;
  }

  #publish(client: MqttClient, message: M): void {
    const record = {
      message,
      publishedMs: performance.now(),
      acknowledgedMs: undefined as number | undefined,
    };
    this.#records.push(record);
    this.#inFlight += 1;
    this.#options.onPublish?.(message);
    const payload = typeof message.payload === "string" ? message.payload : Buffer.from(message.payload);
    client.publish(message.topic, payload, { qos: 1, retain: message.retain ?? false }, (error) => {
      this.#inFlight -= 1;
      // An error means that the client was ended: there was no PUBACK.
      if (!error) {
        record.acknowledgedMs = performance.now();
        this.#options.onAcknowledged?.(message);
      }
      this.#changed?.();
    });
  }

  async #below(limit: number): Promise<void> {
    while (this.#inFlight >= limit && this.#options.signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}
