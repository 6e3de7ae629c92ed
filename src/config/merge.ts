/**
 * Many files, one tree. Later files win: tables merge deep, scalars and plain arrays replace, arrays of
 * tables (`[[mqtt]]`) append. For every value the file and the path in that file are remembered, because
 * `mqtt[2].url` of the whole may be `mqtt[0].url` of `conf.d/20-second.toml`. Pure.
 */
import {
  isTable,
  maxDepth,
  newTable,
  pathKey,
  showPath,
  type Finding,
  type Path,
  type Table,
} from "./tree.ts";

export interface Origin {
  /** Index among the files that were merged. */
  readonly file: number;
  readonly path: Path;
}

export interface Merged {
  readonly tree: Table;
  /** Where a value comes from; for a table in several files, the first one. */
  originOf(path: Path): Origin | undefined;
  readonly findings: readonly Finding[];
}

export function mergeFiles(files: readonly Table[]): Merged {
  const merger = new Merger();
  const tree = newTable();
  for (const [file, table] of files.entries()) merger.addTable(tree, table, [], { file, path: [] });
  return {
    tree,
    originOf: (path) => merger.origins.get(pathKey(path)),
    findings: merger.findings,
  };
}

class Merger {
  readonly origins = new Map<string, Origin>();
  readonly findings: Finding[] = [];

  addTable(target: Table, source: Table, path: Path, origin: Origin): void {
    for (const [key, value] of Object.entries(source)) {
      const valuePath = [...path, key];
      const valueOrigin = { file: origin.file, path: [...origin.path, key] };
      // No schema has this key, and a library that meets it later may not be careful.
      if (key === "__proto__") {
        this.origins.set(pathKey(valuePath), valueOrigin);
        this.findings.push({ path: valuePath, message: "unknown key" });
        continue;
      }
      const existing = target[key];
      if (isTable(existing) && isTable(value)) {
        this.addTable(existing, value, valuePath, valueOrigin);
      } else if (isArrayOfTables(existing) && isArrayOfTables(value)) {
        this.append(existing, value, valuePath, valueOrigin);
      } else {
        target[key] = this.copy(value, valuePath, valueOrigin);
      }
    }
  }

  append(target: unknown[], items: readonly unknown[], path: Path, origin: Origin): void {
    for (const [index, item] of items.entries()) {
      const itemPath = [...path, target.length];
      target.push(this.copy(item, itemPath, { file: origin.file, path: [...origin.path, index] }));
    }
  }

  /** A copy that later files may extend, with the origin of all that is in it. */
  copy(value: unknown, path: Path, origin: Origin): unknown {
    this.origins.set(pathKey(path), origin);
    if (!isTable(value) && !Array.isArray(value)) return value;
    if (path.length >= maxDepth) {
      this.findings.push({
        path,
        message: `nested deeper than ${maxDepth} levels, in ${showPath(path.slice(0, 3))}`,
      });
      return undefined;
    }
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      this.append(items, value, path, origin);
      return items;
    }
    const table = newTable();
    this.addTable(table, value, path, origin);
    return table;
  }
}

function isArrayOfTables(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && value.every(isTable);
}
