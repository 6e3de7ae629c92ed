/** Which MQTT packets pass through a proxy, read from the bytes themselves. */
import mqttPacket from "mqtt-packet";
import type { Packet, Parser } from "mqtt-packet";
import type { Direction, TcpProxy } from "./tcp-proxy.ts";

export interface PassedPacket {
  /** `performance.now()` when its last byte was passed on. */
  readonly atMs: number;
  readonly connection: number;
  readonly messageId: number;
  /** Of a PUBLISH: sent again after a reconnect. */
  readonly dup: boolean;
}

export interface MqttTraffic {
  /** QoS 1 PUBLISH packets that the client received, in order. */
  readonly delivered: readonly PassedPacket[];
  /** PUBACK packets that the client sent, in order. */
  readonly acknowledged: readonly PassedPacket[];
  /** CONNECT packets: one per session start or resumption. */
  readonly connects: number;
  /** Delivered and not yet acknowledged on that connection. */
  outstanding(connection: number): number;
}

/** First byte of a CONNECT. */
const connect = 0x10;

/** Starts watching; call it before the client connects, for the protocol version is in its CONNECT. */
export function observeMqtt(proxy: TcpProxy): MqttTraffic {
  const delivered: PassedPacket[] = [];
  const acknowledged: PassedPacket[] = [];
  const parsers = new Map<string, Parser>();
  const versions = new Map<number, number>();
  /** Whether it began with a CONNECT: a daemon that looks into a lost connection tries TLS, too. */
  const sessions = new Map<number, boolean>();
  const traffic = {
    delivered,
    acknowledged,
    connects: 0,
    outstanding: (connection: number) => count(delivered, connection) - count(acknowledged, connection),
  };
  function take(packet: Packet, direction: Direction, connection: number): void {
    const passed = { atMs: performance.now(), connection, messageId: packet.messageId ?? 0 };
    if (packet.cmd === "connect" && direction === "toServer") {
      versions.set(connection, packet.protocolVersion ?? 4);
      traffic.connects += 1;
    }
    if (packet.cmd === "publish" && direction === "toClient" && packet.qos === 1) {
      delivered.push({ ...passed, dup: packet.dup });
    }
    if (packet.cmd === "puback" && direction === "toServer") acknowledged.push({ ...passed, dup: false });
  }
  proxy.observe((direction, chunk, connection) => {
    if (direction === "toServer" && !sessions.has(connection)) sessions.set(connection, chunk[0] === connect);
    if (sessions.get(connection) !== true) return;
    const key = `${connection} ${direction}`;
    let parser = parsers.get(key);
    if (parser === undefined) {
      // The server speaks after the client's CONNECT, so the version is known by then.
      parser = mqttPacket.parser({ protocolVersion: versions.get(connection) ?? 4 });
      parser.on("packet", (packet: Packet) => {
        take(packet, direction, connection);
      });
      parser.on("error", (error: Error) => {
        throw new Error(`what passes through the proxy is not MQTT: ${error.message}`);
      });
      parsers.set(key, parser);
    }
    parser.parse(chunk);
  });
  return traffic;
}

function count(packets: readonly PassedPacket[], connection: number): number {
  return packets.filter((packet) => packet.connection === connection).length;
}
