import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  findMount,
  isInMemory,
  isTight,
  judgeMount,
  judgeSpace,
  type Mount,
  mountOf,
  parseMounts,
  type SpaceFacts,
} from "../../../src/doctor/journal-disk.ts";

/** Of a Raspberry Pi with an overlay root, a stick, a share and a folder with a space in its name. */
const mountinfo = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 0:30 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work
31 27 179:2 / /var/lib/flightline rw,noatime shared:5 master:2 - ext4 /dev/mmcblk0p3 rw,errors=remount-ro
32 27 8:1 / /media/usb\\040stick rw,relatime - vfat /dev/sda1 rw,fmask=0022
33 27 0:44 / /mnt/nas rw,relatime - nfs4 nas:/export rw,vers=4.2
34 27 0:45 / /var/lib/flightline/tmp rw - tmpfs tmpfs rw,size=1024k
35 27 0:46 / /mnt/nas rw,relatime - cifs //nas/share rw
`;

function mount(type: string, changes: Partial<Mount> = {}): Mount {
  return { mountPoint: "/data", type, source: "/dev/sda1", options: ["rw", "relatime"], ...changes };
}

describe("the mount that a directory is on", () => {
  const mounts = parseMounts(mountinfo);

  test("is the innermost one, and of two at one place the later", () => {
    const types = {
      "/var/lib/flightline": "ext4",
      "/var/lib/flightline/a": "ext4",
      "/var/lib/flightline/tmp/a": "tmpfs",
      "/var/lib/flightlines": "overlay",
      "/media/usb stick/flightline": "vfat",
      "/mnt/nas": "cifs",
      "/": "overlay",
    };
    for (const [path, type] of Object.entries(types)) assert.equal(findMount(mounts, path)?.type, type, path);
  });

  test("has the options of the mount and of its file system", () => {
    assert.deepEqual(findMount(mounts, "/var/lib/flightline")?.options, [
      "rw",
      "noatime",
      "rw",
      "errors=remount-ro",
    ]);
  });

  test("is found on this machine", async () => {
    assert.equal((await mountOf("/proc"))?.type, "proc");
    assert.deepEqual(parseMounts("nonsense\n\n"), []);
  });
});

describe("the file system", () => {
  const severities = {
    ok: ["ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "ubifs"],
    warning: ["tmpfs", "overlay", "vfat", "exfat", "ext2", "fuseblk", "virtiofs", "somethingfs"],
    failure: ["nfs", "nfs4", "cifs", "9p", "fuse.sshfs", "jffs2", "proc"],
  } as const;

  test("is judged by its kind", () => {
    for (const [severity, types] of Object.entries(severities))
      for (const type of types) assert.equal(judgeMount(mount(type), "/data").severity, severity, type);
  });

  test("what is not a sound one says why, and what to do", () => {
    for (const type of [...severities.warning, ...severities.failure]) {
      const { text, hint } = judgeMount(mount(type), "/data/journal");
      assert.match(
        text,
        new RegExp(`^/data/journal is on ${type} \\(/dev/sda1 at /data\\), (which|of which) `),
      );
      assert.ok(hint !== undefined, type);
    }
    assert.match(judgeMount(mount("tmpfs"), "/data").text, /gone at a power cut/);
    assert.match(judgeMount(mount("nfs4"), "/data").text, /shared memory of its WAL do not work/);
  });

  test("that is read-only is a failure, whatever it is", () => {
    const options = ["rw", "ro", "errors=remount-ro"];
    const finding = judgeMount(mount("ext4", { options }), "/data");
    assert.deepEqual([finding.severity, finding.code], ["failure", "journal_unwritable"]);
  });

  test("without barriers is a warning, and so is a disk that is made of memory", () => {
    for (const option of ["nobarrier", "barrier=0", "fsync_mode=nobarrier"]) {
      const { severity, text } = judgeMount(mount("ext4", { options: ["rw", option] }), "/data");
      assert.equal(severity, "warning");
      assert.ok(text.includes(`mounted with ${option}`));
    }
    const zram = mount("ext4", { source: "/dev/zram0" });
    assert.equal(judgeMount(zram, "/data").severity, "warning");
    assert.deepEqual([mount("tmpfs"), zram, mount("ext4")].map(isInMemory), [true, true, false]);
  });

  test("that is not known is not tried", () => {
    assert.equal(judgeMount(undefined, "/data").severity, "skipped");
  });
});

describe("the space", () => {
  const mib = 1024 * 1024;
  const facts: SpaceFacts = {
    freeBytes: 4096 * mib,
    totalBytes: 8192 * mib,
    freeInodes: 100_000,
    quotaBytes: 1024 * mib,
    isQuotaConfigured: true,
    journalBytes: 0,
    walBytes: 0,
  };

  test("that the journal can grow into is well, with the figures", () => {
    const { severity, text } = judgeSpace({ ...facts, journalBytes: 12 * mib });
    assert.equal(severity, "ok");
    assert.equal(text, "4.0 GiB of 8.0 GiB free, the journal has 12.0 MiB and may grow to 1.0 GiB");
  });

  test("less than the quota asks for is a warning; what the journal already has is not asked for again", () => {
    const little = { ...facts, freeBytes: 500 * mib };
    const { severity, text, hint } = judgeSpace(little);
    assert.equal(severity, "warning");
    assert.match(text, /^500\.0 MiB of 8\.0 GiB free, .* by 1\.0 GiB \(\[journal\] max_size is 1\.0 GiB\)/);
    assert.match(hint ?? "", /max_size to 240\.0 MiB or less$/);
    assert.match(
      judgeSpace({ ...little, isQuotaConfigured: false }).text,
      /\(its limit by default is 1\.0 GiB\)/,
    );
    assert.equal(judgeSpace({ ...little, journalBytes: 600 * mib }).severity, "ok");
    // With the WAL still to come.
    assert.equal(judgeSpace({ ...little, journalBytes: 525 * mib }).severity, "warning");
    assert.equal(judgeSpace({ ...little, journalBytes: 525 * mib, walBytes: 8 * mib }).severity, "ok");
  });

  test("a disk that is nearly full, or has no inodes left, is a failure and is not written to", () => {
    for (const full of [{ freeBytes: 15 * mib }, { freeInodes: 3 }]) {
      const finding = judgeSpace({ ...facts, ...full });
      assert.deepEqual([finding.severity, finding.code], ["failure", "journal_full"]);
      assert.ok(isTight({ ...facts, ...full }));
    }
    assert.ok(!isTight(facts));
  });

  test("a file system without a table of inodes lacks none", () => {
    assert.equal(judgeSpace({ ...facts, freeInodes: undefined }).severity, "ok");
  });
});
