import { test } from "node:test";
import { playRandom, replayKept } from "./play.ts";

test("sequences that have failed once do not fail again", (t) => {
  replayKept(t, false);
});

test("no message is lost and none leaves early, whatever happens in whatever order", (t) => {
  playRandom(t, false);
});
