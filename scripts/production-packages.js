/**
 * Prints which folders of node_modules the program needs where it is installed, one in each line: its
 * dependencies and theirs. The optional ones of a dependency are its native code for this machine and come
 * along. Our own optional ones do not: they are for trying Flightline out, and for bringing Node.js.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const modules = join(root, "node_modules");

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** Where Node.js finds the package `name` when `folder` asks for it. */
function find(name, folder) {
  for (let from = folder; ; from = dirname(from)) {
    const candidate = join(from, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
    if (from === root) return undefined;
  }
}

function neededBy(folder) {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, ...rest } = manifestOf(folder);
  const isOptional = (name) =>
    name in optionalDependencies || rest.peerDependenciesMeta?.[name]?.optional === true;
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  return names.flatMap((name) => {
    // An optional peer is what a package knows how to use, and we decide: it is there when it is ours.
    if (name in peerDependencies && isOptional(name)) return [];
    const found = find(name, folder);
    if (found === undefined && !isOptional(name))
      throw new Error(`${folder} needs ${name}, which is not there`);
    return found === undefined ? [] : [found];
  });
}

const needed = new Set();
const queue = Object.keys(manifestOf(root).dependencies).map((name) => join(modules, name));
for (const folder of queue) {
  if (needed.has(folder)) continue;
  needed.add(folder);
  queue.push(...neededBy(folder));
}
// What lies in the node_modules of another package is in that one's folder.
const folders = [...needed]
  .map((folder) => relative(modules, folder))
  .filter((path) => !path.includes("node_modules"));
process.stdout.write(`${folders.join("\n")}\n`);
