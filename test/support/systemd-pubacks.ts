/** When a client behind a proxy has acknowledged each message, and since when it was connected then. */
import { hash } from "node:crypto";
import mqttPacket from "mqtt-packet";
import type { Packet, Parser } from "mqtt-packet";
import type { TcpProxy } from "./tcp-proxy.ts";

export interface Puback {
  /** `performance.now()`, both. */
  readonly atMs: number;
  readonly connectedMs: number;
}

interface Connection {
  readonly connectedMs: number;
  readonly parsers: Readonly<Record<"toServer" | "toClient", Parser>>;
  /** Delivered, not acknowledged: content by message id. */
  readonly pending: Map<number, string>;
}

export class Pubacks {
  /** The first one for each content. */
  readonly #first = new Map<string, Puback>();
  readonly #connections = new Map<number, Connection>();

  /** Before the client connects. */
  constructor(proxy: TcpProxy) {
    proxy.observe((direction, chunk, number) => {
      // A daemon that looks into a lost connection tries TLS, too: a session begins with a CONNECT.
      if (!this.#connections.has(number) && (direction === "toClient" || chunk[0] !== 0x10)) return;
      const connection = this.#connections.get(number) ?? this.#open();
      this.#connections.set(number, connection);
      connection.parsers[direction].parse(chunk);
    });
  }

  get connections(): number {
    return this.#connections.size;
  }

  get count(): number {
    return this.#first.size;
  }

  of(payload: Uint8Array): Puback | undefined {
    return this.#first.get(contentOf(payload));
  }

  #open(): Connection {
    const connectedMs = performance.now();
    const pending = new Map<number, string>();
    const parser = (take: (packet: Packet) => void): Parser => {
      const made = mqttPacket.parser({ protocolVersion: 5 });
      made.on("packet", take);
      made.on("error", (error: Error) => {
        throw new Error(`what passes through the proxy is not MQTT 5: ${error.message}`);
      });
      return made;
    };
    const toClient = parser((packet) => {
      if (packet.cmd !== "publish" || packet.qos !== 1) return;
      pending.set(packet.messageId ?? 0, contentOf(Buffer.from(packet.payload)));
    });
    const toServer = parser((packet) => {
      if (packet.cmd !== "puback") return;
      const content = pending.get(packet.messageId ?? 0);
      if (content === undefined || this.#first.has(content)) return;
      this.#first.set(content, { atMs: performance.now(), connectedMs });
    });
    return { connectedMs, pending, parsers: { toClient, toServer } };
  }
}

function contentOf(payload: Uint8Array): string {
  return hash("sha1", payload, "base64");
}
