/** A broker that does what a script says, MQTT 5, for what no real broker does on demand. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import mqttPacket, { type Packet } from "mqtt-packet";

export type Script = (packet: Packet, answer: (packet: Packet) => void, socket: Socket) => void;

/** Gives its URL; ends with the test. */
export async function startScriptedBroker(
  t: { after(fn: () => void): void },
  script: Script,
): Promise<string> {
  const sockets = new Set<Socket>();
  const version = { protocolVersion: 5 };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    const parser = mqttPacket.parser(version);
    // A probe asks for other protocols too.
    parser.on("error", () => socket.destroy());
    parser.on("packet", (packet: Packet) => {
      script(packet, (reply) => socket.write(mqttPacket.generate(reply, version)), socket);
    });
    socket.on("data", (chunk) => parser.parse(chunk));
  });
  server.listen(0, "127.0.0.1");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, "listening");
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
