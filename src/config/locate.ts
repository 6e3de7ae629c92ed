/** Lines and columns of keys in a TOML text. The parser that knows them is loaded when it is first needed. */
import { createRequire } from "node:module";
import type * as tomlParser from "toml-eslint-parser";
import { maxDepth, pathKey, type Path } from "./tree.ts";

interface Position {
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

export type Locate = (path: Path) => Position | undefined;

/** Finds the key at `path`, or else the nearest table around it that has a line. */
export function locatorOf(toml: string): Locate {
  const positions = new Map<string, Position>();
  const program = parseProgram(toml);
  for (const node of program?.body[0].body ?? []) {
    if (node.type === "TOMLKeyValue") {
      addKeyValue(node, [], positions);
      continue;
    }
    const header = positionOf(node.key);
    const table = node.resolvedKey.slice(0, maxDepth);
    for (let length = 1; length <= table.length; length += 1) {
      addOnce(table.slice(0, length), header, positions);
    }
    for (const keyValue of node.body) addKeyValue(keyValue, table, positions);
  }
  return (path) => {
    for (let length = path.length; length > 0; length -= 1) {
      const position = positions.get(pathKey(path.slice(0, length)));
      if (position !== undefined) return position;
    }
    return undefined;
  };
}

/** undefined when this parser refuses what the other one took (it has narrower limits of depth). */
function parseProgram(toml: string): tomlParser.AST.TOMLProgram | undefined {
  const require = createRequire(import.meta.url);
  const { parseTOML } = require("toml-eslint-parser") as typeof tomlParser;
  try {
    return parseTOML(toml, { tomlVersion: "latest" });
  } catch {
    return undefined;
  }
}

function addKeyValue(node: tomlParser.AST.TOMLKeyValue, table: Path, positions: Map<string, Position>): void {
  let path = table;
  for (const key of node.key.keys) {
    if (path.length >= maxDepth) return;
    path = [...path, key.type === "TOMLBare" ? key.name : key.value];
    addOnce(path, positionOf(key), positions);
  }
  addContent(node.value, path, positions);
}

function addContent(
  node: tomlParser.AST.TOMLContentNode,
  path: Path,
  positions: Map<string, Position>,
): void {
  if (node.type === "TOMLInlineTable") {
    for (const keyValue of node.body) addKeyValue(keyValue, path, positions);
  } else if (node.type === "TOMLArray") {
    for (const [index, element] of node.elements.entries()) {
      const elementPath = [...path, index];
      addOnce(elementPath, positionOf(element), positions);
      addContent(element, elementPath, positions);
    }
  }
}

function addOnce(path: Path, position: Position, positions: Map<string, Position>): void {
  const key = pathKey(path);
  if (!positions.has(key)) positions.set(key, position);
}

function positionOf(node: tomlParser.AST.TOMLNode): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}
