/** Holds the lock of the directory argv[2] until it is killed; says so on stdout. */
import { lockDirectory } from "../../../src/journal/lock.ts";

lockDirectory(process.argv[2] ?? "");
process.stdout.write("held\n");
setInterval(() => {}, 1000);
