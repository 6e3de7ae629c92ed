import { test } from "node:test";
import { playRandom, replayKept } from "./play.ts";

test("sequences that have failed once do not fail again", (t) => {
  replayKept(t, true);
});

test("no message is lost unless evicted and counted, whatever happens in whatever order to a full journal", (t) => {
  playRandom(t, true);
});
