/** Runs one benchmark in a process of its own: node test/support/bench.ts test/bench/NAME.ts */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: bench.ts FILE");

const module: unknown = await import(pathToFileURL(resolve(file)).href);
if (typeof module !== "object" || module === null || !("run" in module) || typeof module.run !== "function") {
  throw new Error(`${file} does not export run()`);
}
// A benchmark prints its own figures, or returns the text of them.
const result: unknown = await module.run();
if (typeof result === "string") process.stdout.write(`${result.trimEnd()}\n`);
