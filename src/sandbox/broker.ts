/**
 * An MQTT 3.1.1 broker inside the process (aedes), for trying and testing: loopback only, anonymous, all
 * state in memory. It keeps the QoS 1 messages of an absent client with a persistent session without a
 * bound, so a daemon that is away for long costs the sandbox memory, not messages.
 *
 * MQTT 5 is refused with return code 1; clients fall back to 3.1.1.
 */
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type * as AedesExports from "aedes";
import type { Aedes } from "aedes";
import { errorText, Fault } from "../lib/fault.ts";
import { keepQueueWhole } from "./broker-queue.ts";
import { listen } from "./listen.ts";

type AedesModule = typeof AedesExports;

export interface SandboxBroker {
  readonly port: number;
  readonly url: string;
  /** Ends every connection; what was queued is gone. */
  stop(): Promise<void>;
}

export interface BrokerOptions {
  /** 0 picks a free one. */
  readonly port: number;
  /** Tests pass a module that cannot be loaded. */
  readonly load?: () => Promise<AedesModule>;
}

/** Throws the faults `sandbox_aedes_missing` and `sandbox_port_unavailable`. */
export async function startBroker(options: BrokerOptions): Promise<SandboxBroker> {
  const { Aedes } = await loadAedes(options.load ?? (async () => await import("aedes")));
  const broker = await Aedes.createBroker();
  keepQueueWhole(broker);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    broker.handle(socket);
  });
  try {
    await listen(server, options.port, "--mqtt-port");
  } catch (error) {
    await closeBroker(broker);
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async stop() {
      const closed = closeServer(server);
      await closeBroker(broker);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function loadAedes(load: () => Promise<AedesModule>): Promise<AedesModule> {
  try {
    return await load();
  } catch (cause) {
    throw new Fault({
      code: "sandbox_aedes_missing",
      layer: "host",
      disposition: "fatal",
      message: `the sandbox's own broker is aedes, which cannot be loaded: ${errorText(cause)}`,
      hint: "run: npm install aedes, or use a broker that runs already: flightline sandbox --no-broker --mqtt-port 1883",
      cause,
    });
  }
}

async function closeBroker(broker: Aedes): Promise<void> {
  if (broker.closed) return;
  await new Promise<void>((resolve) => {
    broker.close(resolve);
  });
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}
