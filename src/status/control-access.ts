/** Who may open a control socket that this user may not. */
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** The socket, or the directory on the way to it that cannot be passed. */
export interface Barrier {
  readonly path: string;
  readonly isSocket: boolean;
  readonly mode: number;
  /** Names, or numbers where there are none. */
  readonly owner: string;
  readonly group: string;
}

/** A hint: what to type. */
export function accessHint({ path, isSocket, mode, owner, group }: Barrier): string {
  const what = isSocket ? "it" : `the directory ${path}`;
  // Connecting needs the right to write to a socket, and to search a directory.
  const groupMay = (mode & (isSocket ? 0o020 : 0o010)) !== 0;
  if (!groupMay) return `${what} is for the user ${owner} only: run this command with sudo`;
  const asRoot = "run this command with sudo";
  if (group === "root") return `${what} is for the group root: ${asRoot}`;
  return `${what} is for the group ${group}: ${asRoot}, or join it with sudo usermod -aG ${group} "$USER" and log in again`;
}

export async function controlAccessHint(socketPath: string): Promise<string> {
  let path = socketPath;
  for (;;) {
    // Behind a directory that cannot be searched nothing can be looked at: the first one that can is the barrier.
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) {
      const { uid, gid, mode } = found;
      const [owner, group] = [await nameOf(uid, "/etc/passwd"), await nameOf(gid, "/etc/group")];
      return accessHint({ path, isSocket: found.isSocket(), mode, owner, group });
    }
    const parent = dirname(path);
    if (parent === path) return "run this command with sudo";
    path = parent;
  }
}

/** In passwd(5) and group(5) alike: name:password:number:… */
async function nameOf(id: number, file: string): Promise<string> {
  const lines = (await readFile(file, "utf8").catch(() => "")).split("\n");
  const [name] = lines.map((line) => line.split(":")).find((cells) => cells[2] === String(id)) ?? [];
  return name ?? String(id);
}
