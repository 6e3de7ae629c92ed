import { join } from "node:path";

/** sockaddr_un(7): 108 bytes with the zero at the end. What is longer would be cut without a word. */
export const maxControlPathBytes = 107;

/** `runtimeDir`: as `runtimeDirectory` gives it; without one, the socket is beside the databases. */
export function controlPath(runtimeDir: string | undefined, dataDir: string): string {
  return join(runtimeDir ?? dataDir, "control.sock");
}

/** systemd gives a colon-separated list when the unit has several. */
export function runtimeDirectory(env: NodeJS.ProcessEnv): string | undefined {
  const first = env["RUNTIME_DIRECTORY"]?.split(":")[0];
  return first === "" ? undefined : first;
}
