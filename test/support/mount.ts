/**
 * Small file systems of a test's own: a tmpfs that can be filled, an ext4 image whose power can be cut.
 * They need root; where they cannot be had the test is skipped and says why, and in CI, where a missing
 * peer is a failure, it fails.
 */
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const mib = 1024 * 1024;

/** Where a tmpfs of that size is mounted until the test ends; undefined when the test was skipped. */
export function mountTmpfs(t: TestContext, sizeBytes: number): string | undefined {
  if (!isRoot(t)) return undefined;
  return mountInFolder(t, () => ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "flightline-test"])?.path;
}

export interface PowerCutDisk {
  readonly path: string;
  /** The file system stops here and now: what was not synced never reaches the image. */
  cutPower(): void;
  /** After a power cut: the image is mounted again, its journal replayed. */
  mountAgain(): void;
}

/** An ext4 file system in an image of its own; undefined when the test was skipped. */
export function mountPowerCutDisk(t: TestContext): PowerCutDisk | undefined {
  if (!isRoot(t) || !hasPrograms(t, ["mkfs.ext4", "xfs_io"])) return undefined;
  const disk = mountInFolder(t, (folder) => {
    const image = join(folder, "disk.img");
    const fd = openSync(image, "w");
    ftruncateSync(fd, 32 * mib);
    closeSync(fd);
    run("mkfs.ext4", ["-q", "-F", image]);
    // The loop device goes when the mount does.
    return ["-o", "loop", image];
  });
  if (disk === undefined) return undefined;
  const { path, mount } = disk;
  return {
    path,
    cutPower: () => {
      run("xfs_io", ["-x", "-c", "shutdown", path]);
    },
    mountAgain: () => {
      run("umount", [path]);
      run("mount", mount);
    },
  };
}

interface Mounted {
  readonly path: string;
  /** The arguments of mount(8) that did it. */
  readonly mount: readonly string[];
}

/** A temporary folder with a mount in it; both go after the test, the mount first. */
function mountInFolder(t: TestContext, prepare: (folder: string) => readonly string[]): Mounted | undefined {
  const folder = mkdtempSync(join(tmpdir(), "flightline-mount-"));
  const path = join(folder, "mnt");
  let isMounted = false;
  t.after(() => {
    // Lazily: files of the test may be closed only after this.
    if (isMounted) run("umount", ["-l", path]);
    rmSync(folder, { recursive: true, force: true });
  });
  mkdirSync(path);
  const mount = [...prepare(folder), path];
  try {
    run("mount", mount);
    isMounted = true;
  } catch (error) {
    // A container without the right to mount: no installation cures that, so it is no failure in CI either.
    t.skip(
      `this machine cannot mount file systems: ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  }
  return { path, mount };
}

function isRoot(t: TestContext): boolean {
  return process.getuid?.() === 0 || missing(t, "only root can mount a file system: run this as root");
}

function hasPrograms(t: TestContext, programs: readonly string[]): boolean {
  const absent = programs.filter((program) => {
    try {
      run("which", [program]);
      return false;
    } catch {
      return true;
    }
  });
  if (absent.length === 0) return true;
  return missing(
    t,
    `${absent.join(", ")} not found: apt-get install -y --no-install-recommends e2fsprogs xfsprogs`,
  );
}

function missing(t: TestContext, why: string): false {
  if (process.env["CI"] !== undefined) throw new Error(why);
  t.skip(why);
  return false;
}

function run(program: string, args: readonly string[]): void {
  const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  execFileSync(program, args, { env: { ...process.env, PATH: path }, stdio: ["ignore", "ignore", "pipe"] });
}
