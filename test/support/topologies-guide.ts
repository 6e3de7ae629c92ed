/** What docs/influxdb-clustered.md says: configurations that work, and what is seen of those that do not. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../../docs");

export interface Wrong {
  /** "No `ca_file`, and a private authority" */
  readonly title: string;
  /** Lines that replace those of the configuration with the same key; "#key" removes one. */
  readonly changes: string;
  /** What is seen. */
  readonly text: string;
}

export interface Topology {
  readonly heading: string;
  /** From the page's folder. */
  readonly picture: string;
  readonly altText: string;
  /** TOML, `[influxdb]` first. */
  readonly configurations: readonly string[];
  readonly wrong: readonly Wrong[];
}

const guideText = readFileSync(join(folder, "influxdb-clustered.md"), "utf8");

export function readPicture(path: string): string {
  return readFileSync(join(folder, path), "utf8");
}

export function guideTopologies(): Topology[] {
  return guideText
    .split(/^## /m)
    .filter((section) => /^\d\. /.test(section))
    .map((section) => {
      const [, altText = "", picture = ""] = /^!\[(.*)\]\((.*)\)$/m.exec(section) ?? [];
      const [right = "", wrong = ""] = section.split(/^### When it is wrong$/m);
      return {
        heading: /^.*$/m.exec(section)?.[0] ?? "",
        picture,
        altText,
        configurations: blocks(right, "toml"),
        wrong: wrong
          .split(/^(?=\*\*)/m)
          .slice(1)
          .map(readWrong),
      };
    });
}

function readWrong(part: string): Wrong {
  return {
    title: /^\*\*(.*?)\*\*/.exec(part)?.[1] ?? "",
    changes: blocks(part, "toml").join(""),
    text: blocks(part, "text").join(""),
  };
}

function blocks(markdown: string, language: string): string[] {
  const pattern = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm");
  return [...markdown.matchAll(pattern)].map(([, block = ""]) => block);
}

export function changed(configuration: string, changes: string): string {
  const lines = configuration.trimEnd().split("\n");
  for (const change of changes.split("\n")) {
    const [, removed, key] = /^(#?)(\w+)/.exec(change) ?? [];
    if (key === undefined) continue;
    const index = lines.findIndex((line) => line.startsWith(`${key} =`));
    if (removed === "#") lines.splice(index, 1);
    else if (index === -1) lines.push(change);
    else lines[index] = change;
  }
  return `${lines.join("\n")}\n`;
}
