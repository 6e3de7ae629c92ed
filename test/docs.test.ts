/** The documents say what is true: the fault codes, the dependencies, the links. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, test } from "node:test";
import { faultBuilders, faultTexts, styleMistake } from "./support/fault-texts.ts";
import { maskedCode } from "./support/source-scan.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const snakeCase = /"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)"/g;

/**
 * What stands in quotes where a fault gets its code: `code: …`, a constant called `…Code`, or the first argument
 * of a function(code, …).
 */
function faultCodes(text: string, imported: readonly string[] = []): string[] {
  const code = maskedCode(text);
  const places = [...code.matchAll(/\bcode:[^,;}]*|\bconst \w+Code = [^;]*/g)];
  for (const name of [...faultBuilders(text), ...imported])
    places.push(...code.matchAll(new RegExp(`(?<!function )\\b${name}\\([^,;)]*`, "g")));
  return places.flatMap((place) => {
    const original = text.slice(place.index, place.index + place[0].length);
    return [...original.matchAll(snakeCase)].map(([, found = ""]) => found);
  });
}

function sourceFiles(): string[] {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.startsWith("proto"))
    .map((file) => join("src", file));
}

/** Makers of faults that other files may take. */
const exportedBuilders = sourceFiles().flatMap((file) => {
  const text = read(file);
  return faultBuilders(text).filter((name) => text.includes(`export function ${name}(`));
});

/** Those that this one takes. */
function importedBuilders(text: string): string[] {
  return exportedBuilders.filter((name) => new RegExp(`^import [^;]*\\b${name}\\b[^;]*;`, "m").test(text));
}

function codesInSource(): Set<string> {
  return new Set(
    sourceFiles().flatMap((file) => {
      const text = read(file);
      return faultCodes(text, importedBuilders(text));
    }),
  );
}

/** The first column of the tables in docs/errors.md. */
function documentedCodes(): string[] {
  return [...read("docs/errors.md").matchAll(/^\| `(\w+)` \|/gm)].map(([, code = ""]) => code);
}

describe("docs/errors.md", () => {
  test("explains every fault code, and no other", () => {
    const inSource = codesInSource();
    const documented = documentedCodes();
    assert.ok(inSource.size >= 60, `only ${inSource.size} codes were found in src`);
    assert.deepEqual(documented.toSorted(), [...inSource].toSorted());
  });

  test("has one line for each code, and each line says what to do", () => {
    const lines = read("docs/errors.md")
      .split("\n")
      .filter((line) => line.startsWith("| `"));
    assert.equal(new Set(documentedCodes()).size, lines.length);
    for (const line of lines) {
      const [, , meaning = "", remedy = ""] = line.split(/(?<!\\)\|/);
      assert.ok(meaning.trim().length > 15 && remedy.trim().length > 10, line);
    }
  });

  test("codes are found wherever a fault gets one", () => {
    const text = `
      new Fault({ code: "one_a", layer: "x_y" }); const t = { code: busy ? "two_b" : "three_c" };
      function endpoint(code: string, message: string) {} endpoint("four_d", "not_this"); // code: "nor_this"
      const other = { kind: "not_that", code: "ENOENT" }; const lastCode = "six_f";`;
    assert.deepEqual(faultCodes(text).toSorted(), ["four_d", "one_a", "six_f", "three_c", "two_b"]);
    assert.deepEqual(faultCodes(`refuse("five_e", "why")`), []);
    assert.deepEqual(faultCodes(`refuse("five_e", "why")`, ["refuse"]), ["five_e"]);
  });
});

describe("what a fault says", () => {
  test("begins in lower case, unless with a name, and ends without a period", () => {
    let seen = 0;
    for (const file of sourceFiles()) {
      const source = read(file);
      for (const text of faultTexts(source, importedBuilders(source))) {
        assert.equal(styleMistake(text), undefined, `${file}: ${text}`);
        seen += 1;
      }
    }
    assert.ok(seen >= 200, `only ${seen} texts were found in src`);
  });

  test("is found wherever it is written, and judged by its style", () => {
    const source = `
      new Fault({ message: "The disk is full", hint: full ? "free space." : \`wait \${s("Not this.")} \${\`x\${1}\`}.\` });
      const c = { hint: ({ table }) => \`Set \${table}.url\`, sentence: () => "A b" }; // hint: "Nor this."
      const tokenHint =
        "put it there."; const text = "Nor that.";
      function refuse(code: string, message: string, hint?: string) {} refuse("an_e", "It is.", undefined);
      const right = { message: \`\${url} is silent\`, hint: "InfluxDB is right: TLS, too", other: "Not it." };`;
    const texts = faultTexts(source);
    assert.equal(texts.length, 10);
    assert.deepEqual(
      texts.filter((text) => styleMistake(text) === undefined),
      ["${url} is silent", "InfluxDB is right: TLS, too", "an_e"],
    );
    assert.equal(styleMistake("The disk is full"), "begins with a capital letter");
    assert.equal(styleMistake("the disk is full."), "ends with a period");
  });
});

type Manifest = Partial<Record<string, Record<string, string>>>;

const dependencyKinds = ["dependencies", "devDependencies", "optionalDependencies"];

test("docs/dependencies.md has one line for each dependency, and no other", () => {
  const manifest = JSON.parse(read("package.json")) as Manifest;
  const declared = dependencyKinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  const documented = [...read("docs/dependencies.md").matchAll(/^- `([^`]+)`: .{20,}/gm)].map(
    ([, name = ""]) => name,
  );
  assert.ok(declared.length >= 20, `only ${declared.length} dependencies were found`);
  assert.deepEqual(documented.toSorted(), declared.toSorted());
});

test("the lock file belongs to package.json and names no registry", () => {
  const manifest = JSON.parse(read("package.json")) as Manifest;
  const text = read("package-lock.json");
  const { packages } = JSON.parse(text) as { packages: Record<string, Manifest> };
  assert.ok(Object.keys(packages).length > 100);
  for (const kind of dependencyKinds) assert.deepEqual(packages[""]?.[kind], manifest[kind], kind);
  assert.doesNotMatch(text, /"resolved": "https?:/);
});

test("decisions are numbered without a gap and say context, decision and consequences", () => {
  const files = readdirSync(join(root, "docs/decisions")).toSorted();
  assert.ok(files.length >= 10);
  files.forEach((file, index) => {
    assert.ok(file.startsWith(`${String(index + 1).padStart(4, "0")}-`), file);
    const headings = [...read(join("docs/decisions", file)).matchAll(/^## (.*)/gm)].map(
      ([, heading]) => heading,
    );
    const expected = ["Context", "Decision", "Figures", "Consequences"];
    assert.deepEqual(
      headings,
      headings.includes("Figures") ? expected : expected.filter((heading) => heading !== "Figures"),
      file,
    );
  });
});

test("a link in a document leads somewhere", () => {
  const documents = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file));
  let seen = 0;
  for (const document of [...documents, "README.md", "CONTRIBUTING.md", "CHANGELOG.md"]) {
    for (const [, target = ""] of read(document).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      assert.ok(existsSync(resolve(root, dirname(document), target)), `${document}: ${target}`);
      seen += 1;
    }
  }
  assert.ok(seen >= 10, `only ${seen} links were seen`);
});
