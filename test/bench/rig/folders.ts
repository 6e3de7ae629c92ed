/** Where the built program is, and where its data goes. */
import { statfsSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryFolder } from "../../support/wait.ts";
import type { TemporaryFolder } from "../../support/wait.ts";

/** FLIGHTLINE_DIST names another build, to compare two. */
export const distFolder = resolve(
  process.env["FLIGHTLINE_DIST"] ?? join(import.meta.dirname, "../../../dist"),
);

/** Of statfs(2): file systems that live in memory, where a sync costs nothing. */
const memoryFileSystems = [0x0102_1994, 0x8584_58f6];

/** A temporary folder on a disk. */
export async function diskFolder(name: string): Promise<TemporaryFolder> {
  const folder = await temporaryFolder(name);
  if (!memoryFileSystems.includes(statfsSync(folder.path).type)) return folder;
  await folder.remove();
  throw new Error(`${folder.path} is in memory, not on a disk: set TMPDIR to a folder that is`);
}
