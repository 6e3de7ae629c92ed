import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { freePort, temporaryFolder, waitFor } from "../../support/wait.ts";

test("waiting ends with the first value that counts, or names what did not come", async () => {
  let asked = 0;
  const value = await waitFor(
    () => {
      asked += 1;
      return asked < 3 ? undefined : "here";
    },
    { what: "the third time" },
  );
  assert.deepEqual([value, asked], ["here", 3]);
  await assert.rejects(
    waitFor(() => false, { timeoutMs: 20, what: "nothing" }),
    /waited 20 ms for nothing/,
  );
});

test("a free port has no listener", async () => {
  const socket = connect(await freePort(), "127.0.0.1");
  const code = await new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code);
    });
  });
  assert.equal(code, "ECONNREFUSED");
});

test("a temporary folder is gone with its scope", async () => {
  let path: string;
  {
    await using folder = await temporaryFolder("wait");
    path = folder.path;
    assert.ok(existsSync(path));
  }
  assert.ok(!existsSync(path));
});
