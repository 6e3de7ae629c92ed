import assert from "node:assert/strict";
import { test } from "node:test";
import { closeDestinations } from "../../../src/app/destinations.ts";

test("a database that cannot be closed keeps no other one open, and is not kept quiet about", async () => {
  const closed: string[] = [];
  const destinationOf = (name: string, problem?: Error) => ({
    close: async (): Promise<void> => {
      await Promise.resolve();
      closed.push(name);
      if (problem !== undefined) throw problem;
    },
  });
  const broken = new Error("broken");
  const others = [destinationOf("b"), destinationOf("c")];
  await assert.rejects(closeDestinations([destinationOf("a", broken), ...others]), broken);
  assert.deepEqual(closed, ["a", "b", "c"]);
  await closeDestinations(others);
});
