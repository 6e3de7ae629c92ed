import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { clientIdOf, installationId } from "../../../src/state/client-id.ts";
import { State } from "../../../src/state/state.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-client-id-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

test("made once, kept in a file of its own, and nothing unfinished is left beside it", (t) => {
  const dir = folder(t);
  const first = installationId(dir);
  assert.match(first.id, /^[0-9a-f]{12}$/);
  assert.equal(first.fault, undefined);
  assert.deepEqual(readdirSync(dir), ["client-id"]);
  assert.equal(readFileSync(join(dir, "client-id"), "utf8"), `${first.id}\n`);
  assert.deepEqual(installationId(dir), first);
  assert.notEqual(installationId(folder(t)).id, first.id);
});

test("a damaged file is replaced, and that is said once", (t) => {
  const dir = folder(t);
  for (const damage of ["", "\n", "0123456789a", "0123456789ABCDEF", "\0".repeat(13), "0123456789ab ab"]) {
    writeFileSync(join(dir, "client-id"), damage);
    const made = installationId(dir);
    assert.equal(made.fault?.code, "client_id_replaced", JSON.stringify(damage));
    assert.match(made.id, /^[0-9a-f]{12}$/);
    assert.deepEqual(installationId(dir), { id: made.id, fault: undefined });
  }
});

test("a source that is alone has 23 characters, which every broker takes; others have their name in it", () => {
  assert.equal(clientIdOf("0123456789ab", "mqtt"), "flightline-0123456789ab");
  assert.equal(clientIdOf("0123456789ab", "mqtt").length, 23);
  assert.equal(clientIdOf("0123456789ab", "barn"), "flightline-0123456789ab-barn");
});

test("a state.db that is moved aside does not take the client id along", (t) => {
  const dir = folder(t);
  const { id } = installationId(dir);
  State.open(dir, 0).close();
  writeFileSync(join(dir, "state.db"), "damaged ".repeat(3000));
  const state = State.open(dir, 0);
  assert.deepEqual(
    state.openingFaults.map(({ code }) => code),
    ["database_moved_aside"],
  );
  state.close();
  assert.equal(installationId(dir).id, id);
});
