/** Checks the database named by its argument, over and over, until it is killed. */
import { quickCheck } from "../../../src/journal/quick-check.ts";

const file = process.argv[2] ?? "";
const never = new AbortController().signal;
process.stdout.write("started\n");
for (;;) await quickCheck(file, 60_000, never);
