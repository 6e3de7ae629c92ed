import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, errorText, Fault } from "../lib/fault.ts";

/** Makes it and what is missing above it. Fault: sandbox_data_unusable. */
export async function makeDataDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
  } catch (cause) {
    throw new Fault({
      code: "sandbox_data_unusable",
      layer: "host",
      disposition: "fatal",
      message: `the sandbox cannot make the directory ${directory}: ${errorText(cause)}`,
      hint: hintFor(errorCode(cause)),
      cause,
    });
  }
}

function hintFor(code: string | undefined): string {
  return code === "EEXIST" || code === "ENOTDIR"
    ? "a file or a symbolic link to nothing is in the way: move it, or name another directory with --data"
    : "name a directory with --data where this user may write";
}

/**
 * One level at a time: Node's recursive mkdir never ends where making a directory is answered with ENOENT
 * although the one above it is there, as /proc does.
 */
async function makeDirectory(directory: string): Promise<void> {
  if (await isDirectory(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) await makeDirectory(parent);
  try {
    await mkdir(directory);
  } catch (error) {
    // Somebody else may have made it in between.
    if (!(await isDirectory(directory))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
