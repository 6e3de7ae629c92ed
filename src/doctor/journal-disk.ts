/** The file system below the journal: which kind it is, how it is mounted, and whether the journal can grow on it. */
import { readFile, realpath, statfs } from "node:fs/promises";
import { formatBytes } from "../lib/units.ts";
import type { Finding } from "./finding.ts";

/** A line of /proc/self/mountinfo. */
export interface Mount {
  readonly mountPoint: string;
  /** "ext4", "tmpfs", "nfs4", "fuse.sshfs". */
  readonly type: string;
  /** "/dev/mmcblk0p2", "server:/export". */
  readonly source: string;
  /** Those of this mount and those of its file system. */
  readonly options: readonly string[];
}

/** Undefined: what cannot be told. `dir` must be there. */
export async function mountOf(dir: string): Promise<Mount | undefined> {
  const text = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  return findMount(parseMounts(text), await realpath(dir));
}

/** proc(5): `36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda1 rw,errors=remount-ro`. Pure. */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [, , , , mountPoint, options] = left.split(" ");
    const [type, source, superOptions] = right.split(" ");
    if (mountPoint === undefined || type === undefined || source === undefined) return [];
    const all = `${options ?? ""},${superOptions ?? ""}`.split(",").filter((option) => option !== "");
    return [{ mountPoint: unescaped(mountPoint), type, source: unescaped(source), options: all }];
  });
}

/** Space, tab, newline and backslash stand there in octal. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCodePoint(parseInt(octal, 8)));
}

/** The innermost one; of those at one place the last, which covers the others. */
export function findMount(mounts: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const isAbove = mount.mountPoint === "/" || `${path}/`.startsWith(`${mount.mountPoint}/`);
    if (isAbove && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  }
  return found;
}

interface Trait {
  readonly severity: "warning" | "failure";
  /** Follows "TYPE, ". */
  readonly text: string;
  readonly hint: string;
}

const local = "set [journal] dir to a directory on a local disk";
const gone: Trait = {
  severity: "warning",
  text: "which is in memory: what was acknowledged and is not in InfluxDB yet is gone at a power cut or a restart of the machine",
  hint: `${local}, unless that is meant`,
};
const network: Trait = {
  severity: "failure",
  text: "which is a network file system: SQLite's locks and the shared memory of its WAL do not work there, and the journal can be damaged",
  hint: local,
};
const frail: Trait = {
  severity: "warning",
  text: "which keeps no journal of its own changes: a power cut in the middle of a write can damage any file on it",
  hint: "keep the journal on a partition with ext4",
};
const unmappable: Trait = {
  severity: "failure",
  text: "which cannot share memory between a file's readers and writers: SQLite's WAL does not work there",
  hint: "set [journal] dir to a directory on ubifs, ext4 or f2fs",
};
const container: Trait = {
  severity: "warning",
  text: "which is the layer of a container or of a read-only system: it goes when the container is made anew, and on a gateway with an overlay root at each restart",
  hint: "mount a volume at [journal] dir, or set it to a directory on the disk itself",
};
const noFiles: Trait = {
  severity: "failure",
  text: "which is a view of the kernel: no files can be made there",
  hint: local,
};

const sound = new Set(["ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "ubifs", "nilfs2"]);

const traits: Readonly<Record<string, Trait>> = {
  ...each(["tmpfs", "ramfs", "devtmpfs", "rootfs"], gone),
  ...each(["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "lustre", "gfs2", "ocfs2"], network),
  ...each(["fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.davfs", "vboxsf"], network),
  ...each(["vfat", "msdos", "exfat", "ext2", "hfs", "hfsplus", "udf"], frail),
  ...each(["overlay", "overlayfs", "aufs"], container),
  ...each(["proc", "sysfs", "cgroup", "cgroup2", "devpts", "debugfs", "tracefs", "securityfs"], noFiles),
  jffs2: unmappable,
};

const unknown: Trait = {
  severity: "warning",
  text: "of which nothing is known here: SQLite needs working locks, shared memory and fsync",
  hint: "ext4, xfs, btrfs, f2fs and zfs have them",
};

function each(types: readonly string[], trait: Trait): Record<string, Trait> {
  return Object.fromEntries(types.map((type) => [type, trait]));
}

/** In the kernel's names: with one of them fsync returns before the disk has it. */
const carelessOptions = new Set(["nobarrier", "barrier=0", "fsync_mode=nobarrier", "eatmydata"]);

/** Pure. `dir`: where the journal is or will be. */
export function judgeMount(mount: Mount | undefined, dir: string): Finding {
  const check = "journal.filesystem";
  if (mount === undefined) {
    return {
      check,
      severity: "skipped",
      text: `not tried: /proc/self/mountinfo does not tell what ${dir} is on`,
    };
  }
  const { type, source, mountPoint, options } = mount;
  const what = `${type} (${source} at ${mountPoint})`;
  const figures = { type, source, mountPoint };
  if (options.includes("ro")) {
    return {
      check,
      severity: "failure",
      text: `${dir} is on ${what}, which is mounted read-only`,
      hint: `a disk with errors is remounted like this: see sudo dmesg; then: sudo mount -o remount,rw ${mountPoint}`,
      code: "journal_unwritable",
      figures,
    };
  }
  const trait = isInMemory(mount) ? gone : sound.has(type) ? undefined : (traits[type] ?? unknown);
  if (trait !== undefined) {
    const { severity, text, hint } = trait;
    return { check, severity, text: `${dir} is on ${what}, ${text}`, hint, figures };
  }
  const careless = options.find((option) => carelessOptions.has(option));
  if (careless !== undefined) {
    return {
      check,
      severity: "warning",
      text: `${dir} is on ${what}, mounted with ${careless}: a power cut can take what was acknowledged`,
      hint: "take that option out of /etc/fstab",
      figures,
    };
  }
  return { check, severity: "ok", text: what, figures };
}

/** tmpfs, or a disk that zram makes of memory. */
export function isInMemory({ type, source }: Mount): boolean {
  return traits[type] === gone || source.startsWith("/dev/zram") || source.startsWith("/dev/ram");
}

export interface SpaceFacts {
  /** For who is not root. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Undefined where the file system makes inodes as it needs them. */
  readonly freeInodes: number | undefined;
  readonly quotaBytes: number;
  readonly isQuotaConfigured: boolean;
  /** Of journal.db. */
  readonly journalBytes: number;
  readonly walBytes: number;
}

export async function spaceBelow(
  dir: string,
): Promise<Pick<SpaceFacts, "freeBytes" | "totalBytes" | "freeInodes">> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(dir);
  return {
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    freeInodes: files === 0 ? undefined : ffree,
  };
}

/** journal_size_limit of the WAL; while a checkpoint is due it holds about half of that. */
const walReserveBytes = 8 * 1024 * 1024;
/** The WAL, and a group of messages beside it: with less, commits fail before the daemon can make room. */
const leastFreeBytes = 2 * walReserveBytes;
/** Databases, WALs, lock, pid, marker, crash record. */
const leastFreeInodes = 16;

/** Nothing may be written there, not even to measure. */
export function isTight({ freeBytes, freeInodes }: Pick<SpaceFacts, "freeBytes" | "freeInodes">): boolean {
  return freeBytes < leastFreeBytes || (freeInodes ?? Infinity) < leastFreeInodes;
}

/** Pure. */
export function judgeSpace(facts: SpaceFacts): Finding {
  const check = "journal.space";
  const { freeBytes, totalBytes, freeInodes, quotaBytes, journalBytes, walBytes } = facts;
  const figures = {
    freeBytes,
    totalBytes,
    quotaBytes,
    journalBytes,
    ...(freeInodes === undefined ? {} : { freeInodes }),
  };
  const free = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free`;
  if (isTight(facts)) {
    const what = freeBytes < leastFreeBytes ? free : `${freeInodes} inodes free`;
    return {
      check,
      severity: "failure",
      text: `the disk of the journal is full (${what}): messages are not acknowledged, or soon will not be`,
      hint: "free space on the disk that holds [journal] dir",
      code: "journal_full",
      figures,
    };
  }
  const growthBytes = Math.max(0, quotaBytes - journalBytes) + Math.max(0, walReserveBytes - walBytes);
  const quota = `${facts.isQuotaConfigured ? "[journal] max_size is" : "its limit by default is"} ${formatBytes(quotaBytes)}`;
  if (freeBytes < growthBytes) {
    return {
      check,
      severity: "warning",
      text: `${free}, and the journal may still grow by ${formatBytes(growthBytes)} (${quota}): the disk will be full before the journal is, and then nothing is acknowledged`,
      hint: `free space, or set [journal] max_size to ${formatBytes(roundedDown(journalBytes + freeBytes / 2))} or less`,
      figures,
    };
  }
  const used = journalBytes === 0 ? "" : `, the journal has ${formatBytes(journalBytes)}`;
  return {
    check,
    severity: "ok",
    text: `${free}${used} and may grow to ${formatBytes(quotaBytes)}`,
    figures,
  };
}

/** To 16 MiB. */
function roundedDown(bytes: number): number {
  const step = 16 * 1024 * 1024;
  return Math.max(step, Math.floor(bytes / step) * step);
}
