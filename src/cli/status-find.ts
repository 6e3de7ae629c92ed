/** Which control socket a command asks: that of the daemon that runs, or would run, with this configuration. */
import { loadConfig } from "../config/load.ts";
import type { Problem } from "../config/problem.ts";
import { Fault } from "../lib/fault.ts";
import { type AskOptions, askStatus, type StatusAnswer } from "../status/control-client.ts";
import { daemonAbsent, type Tried } from "../status/control-faults.ts";
import { controlPath, runtimeDirectory } from "../status/control-path.ts";

export interface FindOptions {
  /** Of the control socket; then the configuration is not read. */
  readonly socket: string | undefined;
  /** Path of flightline.toml. */
  readonly config: string;
  /** Nobody has named it: it is where the package puts it. */
  readonly configIsDefault: boolean;
  /** The control socket of the service. */
  readonly serviceSocket: string;
}

export interface Place {
  readonly path: string;
  /** When given: a daemon with another one is not the one that is meant. */
  readonly dataDir: string | undefined;
}

/** `problems`: what is wrong with the configuration, which might name another place; or with no place at all. */
export interface Places {
  readonly places: readonly Place[];
  readonly problems: readonly Problem[];
}

/**
 * A shell has not the environment of the service: neither RUNTIME_DIRECTORY, nor the credentials that its
 * configuration may name, nor perhaps the right to read it. So the service's socket is tried too, and also
 * when the configuration that nobody named cannot be loaded.
 */
export function placesOf(options: FindOptions, env: NodeJS.ProcessEnv): Places {
  const { socket, config: file, configIsDefault, serviceSocket } = options;
  const runtimeDir = runtimeDirectory(env);
  if (socket !== undefined) return { places: [{ path: socket, dataDir: undefined }], problems: [] };
  if (runtimeDir !== undefined && configIsDefault) {
    return { places: [{ path: controlPath(runtimeDir, ""), dataDir: undefined }], problems: [] };
  }
  const loaded = loadConfig({ file, env });
  if (loaded.ok) {
    const { dir: dataDir } = loaded.config.journal;
    const paths =
      runtimeDir === undefined
        ? [controlPath(undefined, dataDir), serviceSocket]
        : [controlPath(runtimeDir, "")];
    return { places: paths.map((path) => ({ path, dataDir })), problems: [] };
  }
  const { problems } = loaded;
  return { places: configIsDefault ? [{ path: serviceSocket, dataDir: undefined }] : [], problems };
}

/**
 * The first of the places where the daemon answers. Rejects with the signal's reason or a Fault: daemon_absent
 * with all that was tried, or else what is wrong where there is a daemon.
 */
export async function findStatus(places: readonly Place[], options: AskOptions): Promise<StatusAnswer> {
  const tried: Tried[] = [];
  let trouble: Fault | undefined;
  for (const { path, dataDir } of places) {
    try {
      const answer = await askStatus(path, options);
      if ("found" in answer) tried.push({ path, found: answer.found });
      else if (dataDir === undefined || answer.status.dataDir === dataDir) return answer;
      else tried.push({ path, found: `the daemon of ${answer.status.dataDir}` });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // The last place is the likeliest: the service's.
      trouble = error;
    }
  }
  throw trouble ?? daemonAbsent(tried);
}
