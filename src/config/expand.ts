/**
 * Variables in string values, after parsing, so that no value can break the syntax around it:
 * `${VAR}` must be set, `${VAR:-default}` also stands for an empty one, `$$` is a dollar sign. A dollar sign
 * before anything else is itself (`$share/group/…` is a topic). Pure.
 */
import { mapStrings, pathKey, type Finding, type Path, type Table } from "./tree.ts";

interface Expanded {
  readonly tree: Table;
  readonly findings: readonly Finding[];
  /** The value holds something of the environment, and is shown to nobody. */
  readonly isFromEnvironment: (path: Path) => boolean;
}

const reference = /\$\$|\$\{([^}]*)(\}?)/g;
const inside = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

export function expandVariables(tree: Table, env: Readonly<Record<string, string | undefined>>): Expanded {
  const findings: Finding[] = [];
  const expandedPaths = new Set<string>();
  const expandText = (text: string, path: Path): string =>
    text.replace(reference, (whole: string, body: string | undefined, end: string | undefined) => {
      if (whole === "$$") return "$";
      const match = end === "}" ? inside.exec(body ?? "") : null;
      if (match?.[1] === undefined) {
        findings.push({
          path,
          message: end === "}" ? "expected ${NAME} or ${NAME:-default}" : "a ${ without its }",
          hint: "write $$ for a dollar sign that means itself",
        });
        return whole;
      }
      const [, name, fallback] = match;
      expandedPaths.add(pathKey(path));
      // Object.hasOwn: the environment may be a plain object, which inherits names.
      const value = Object.hasOwn(env, name) ? env[name] : undefined;
      if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
      if (value !== undefined) return value;
      findings.push({
        path,
        message: `the environment variable ${name} is not set`,
        hint: unsetHint(name),
      });
      return whole;
    });
  const copy = mapStrings(tree, expandText);
  return { tree: copy, findings, isFromEnvironment: (path) => expandedPaths.has(pathKey(path)) };
}

function unsetHint(name: string): string {
  if (name !== "CREDENTIALS_DIRECTORY") return `set it, or write \${${name}:-default}`;
  // systemd sets it for the service only, and people check from a shell.
  return "systemd sets it inside the unit; in a shell: CREDENTIALS_DIRECTORY=/etc/flightline flightline check";
}
