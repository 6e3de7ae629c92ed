/** Topics and topic filters as MQTT 5 defines them (§4.7). Pure. */
import { hasControlCharacters } from "../lib/schema.ts";

/** MQTT's own limit on a topic, a client id and a user name. */
const maxUtf8Bytes = 65_535;

/** Whether it could be a topic or a filter, wildcards apart. */
export function isTopicText(topic: string): boolean {
  return (
    topic !== "" &&
    Buffer.byteLength(topic) <= maxUtf8Bytes &&
    !hasControlCharacters(topic) &&
    topic.isWellFormed()
  );
}

/** `#` only as the last level, `+` only as a whole level. */
export function isTopicFilter(filter: string): boolean {
  if (!isTopicText(filter)) return false;
  const levels = filter.split("/");
  return levels.every((level, index) => {
    if (level === "#") return index === levels.length - 1;
    return level === "+" || !/[#+]/.test(level);
  });
}

/**
 * The filter of all topics that match both; undefined when there are none. `#` takes its parent along (a/#
 * matches a), and a wildcard at the beginning matches no topic that begins with $. Of a shared subscription
 * what it shares is what counts.
 */
export function commonTopics(one: string, other: string): string | undefined {
  const [a, b] = [levelsOf(one), levelsOf(other)];
  const common: string[] = [];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const [left, right] = [a[index], b[index]];
    const isDollar = index === 0 && (left?.startsWith("$") === true || right?.startsWith("$") === true);
    if (left !== right && isDollar) return undefined;
    if (left === "#") return [...common, ...b.slice(index)].join("/");
    if (right === "#") return [...common, ...a.slice(index)].join("/");
    if (left === undefined || right === undefined) return undefined;
    if (left !== right && left !== "+" && right !== "+") return undefined;
    common.push(left === "+" ? right : left);
  }
  return common.join("/");
}

function levelsOf(filter: string): readonly string[] {
  return filter.replace(/^\$share\/[^/]*\//, "").split("/");
}
