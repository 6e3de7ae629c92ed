import type { Server } from "node:net";
import { errorText, Fault } from "../lib/fault.ts";

/** Listens on loopback; throws the fault `sandbox_port_unavailable`, which names the option that sets the port. */
export async function listen(server: Server, port: number, option: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        server.removeListener("error", reject);
        resolve();
      });
    });
  } catch (cause) {
    throw portUnavailable(port, option, cause);
  }
}

export function portUnavailable(port: number, option: string, cause: unknown): Fault {
  return new Fault({
    code: "sandbox_port_unavailable",
    layer: "host",
    disposition: "fatal",
    message: `the sandbox cannot listen on port ${port}: ${errorText(cause)}`,
    hint: `let it pick a free port: ${option} 0`,
    cause,
  });
}
