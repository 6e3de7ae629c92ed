import type { MqttClient } from "mqtt";
import type { Beat } from "../lib/pulse.ts";

/**
 * mqtt.js gives a connection up when it has not *handled* a PINGRESP half a keepalive after its PINGREQ.
 * That is wrong twice: PINGRESP stands behind a backlog of messages on a slow line, and it is not read at
 * all while the parser waits for a slow commit. Both would end a good connection, and the redelivery that
 * follows would make the backlog longer. So a message counts as an answer to a ping, and a waiting parser
 * pings by itself. What is dead all the same is noticed within 1.5 keepalives after the wait.
 */
export class KeepAlive {
  readonly #client: MqttClient;
  readonly #beat: Beat | undefined;
  #pingIsOut = false;

  constructor(client: MqttClient, beat: Beat | undefined) {
    this.#client = client;
    this.#beat = beat;
    client.on("packetsend", ({ cmd }) => {
      if (cmd === "pingreq") this.#pingIsOut = true;
    });
    client.on("packetreceive", () => {
      if (!this.#pingIsOut) return;
      this.#pingIsOut = false;
      client.reschedulePing(true);
    });
  }

  /** Keeps the connection alive until `wait` resolves or the connection has gone. */
  async during(wait: Promise<void>): Promise<void> {
    const client = this.#client;
    // The library's own clock ticks every half keepalive: ours must always be the first.
    const timer = setInterval(
      () => {
        if (!client.connected) return;
        this.#beat?.();
        client.sendPing();
        client.reschedulePing(true);
      },
      (client.keepalive * 1000) / 4,
    );
    const stop = (): void => {
      clearInterval(timer);
    };
    client.once("close", stop);
    await wait;
    stop();
    client.removeListener("close", stop);
  }
}
