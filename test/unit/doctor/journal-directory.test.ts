import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type DirectoryFacts,
  judgeDirectory,
  lookAtDirectory,
} from "../../../src/doctor/journal-directory.ts";
import { temporaryFolder } from "../../support/wait.ts";

const dir = "/var/lib/flightline";
const facts: DirectoryFacts = {
  dir,
  look: { owner: 999, mode: 0o700, isDirectory: true },
  access: undefined,
  nearest: dir,
  nearestAccess: undefined,
  isDangling: false,
  files: [{ name: "journal.db", owner: 999 }],
  uid: 0,
  accountName: (uid) => ({ 0: "root", 999: "flightline" })[uid] ?? String(uid),
};
const missing = { look: "ENOENT", access: "ENOENT", nearest: "/var/lib", files: [] } as const;

function judged(changes: Partial<DirectoryFacts>): string {
  const { finding, obstacle } = judgeDirectory({ ...facts, ...changes });
  return `${finding.severity}: ${finding.text}; ${finding.hint ?? ""}; ${obstacle ?? "goes on"}`;
}

test("a directory that is right is said with its owner and mode", () => {
  assert.equal(judged({}), `ok: ${dir} belongs to flightline, mode 700; ; goes on`);
});

test("files of another owner are a failure with the chown that cures it", () => {
  const files = [
    { name: "journal.db", owner: 0 },
    { name: "state.db", owner: 999 },
  ];
  assert.match(
    judged({ files }),
    /^failure: .*but journal\.db to root: a daemon of flightline cannot open that; /,
  );
  assert.match(judged({ files }), /sudo chown -R flightline: \/var\/lib\/flightline; goes on$/);
  const ofRoot = {
    look: { owner: 0, mode: 0o700, isDirectory: true },
    files: [{ name: "journal.db", owner: 999 }],
  };
  assert.match(judged(ofRoot), /^warning: /);
});

test("everybody may not write to it", () => {
  assert.match(
    judged({ look: { owner: 999, mode: 0o777, isDirectory: true } }),
    /^warning: .*; sudo chmod 750/,
  );
});

test("what this user may not see is skipped, and the rest with it, with what to type", () => {
  const other = { access: "EACCES", uid: 1000, files: [] };
  assert.match(
    judged(other),
    /^skipped: not tried: .* is for the user flightline \(mode 700\); .*: sudo flightline doctor; /,
  );
  assert.match(judged(other), /; the directory cannot be looked into$/);
  assert.match(
    judged({ ...missing, look: "EACCES", uid: 1000 }),
    /^skipped: .*\/var\/lib does not let this user pass/,
  );
});

test("its owner who may not write is a failure, and so is a read-only disk", () => {
  assert.match(judged({ access: "EACCES", uid: 999 }), /^failure: .*\(EACCES\); .*: sudo chmod u\+rwx/);
  assert.match(judged({ access: "EROFS" }), /^failure: .*\(EROFS\); .*read-only/);
});

test("one that is not there yet is made by the first start, by the service, or by nobody", () => {
  assert.match(
    judged(missing),
    /^ok: .*the first start makes it in \/var\/lib, mode 750; ; the directory is not there$/,
  );
  const user = { ...missing, nearestAccess: "EACCES", uid: 1000 };
  assert.match(
    judged(user),
    /^warning: .*may make nothing in \/var\/lib; .*StateDirectory=.*install -d -m 750/,
  );
  assert.match(judged({ ...missing, nearestAccess: "EROFS" }), /^failure: .*\/var\/lib is read-only/);
});

test("something else in its place is a failure", () => {
  assert.match(judged({ ...missing, isDangling: true }), /^failure: .*something else is in its place/);
  assert.match(judged({ ...missing, look: "ENOTDIR" }), /^failure: /);
  assert.match(judged({ look: { owner: 0, mode: 0o644, isDirectory: false } }), /^failure: .*is a file/);
});

test("looking at real ones", async () => {
  await using folder = await temporaryFolder("doctor-directory");
  const here = join(folder.path, "data");
  const absent = await lookAtDirectory(here);
  assert.deepEqual([absent.look, absent.nearest, absent.isDangling], ["ENOENT", folder.path, false]);
  mkdirSync(here);
  chmodSync(here, 0o750);
  writeFileSync(join(here, "state.db-wal"), "");
  const found = await lookAtDirectory(here);
  const uid = process.geteuid?.() ?? -1;
  assert.deepEqual(found.look, { owner: uid, mode: 0o750, isDirectory: true });
  assert.deepEqual([found.access, found.nearest, found.uid], [undefined, here, uid]);
  assert.deepEqual(found.files, [{ name: "state.db-wal", owner: uid }]);
  const dangling = join(folder.path, "link");
  symlinkSync(join(folder.path, "nothing"), dangling);
  assert.equal((await lookAtDirectory(dangling)).isDangling, true);
  const below = await lookAtDirectory(join(here, "state.db-wal", "data"));
  assert.deepEqual([below.look, below.nearest], ["ENOTDIR", here]);
});
