/** What `flightline doctor` prints for a person: what was found under the heading of its part, and the verdict. */
import type { Severity } from "../doctor/finding.ts";
import type { Shown, Summary } from "../doctor/verdict.ts";
import { cut, harmless, wrap } from "./mapping-layout.ts";
import { duration, type Paint, plural, type Tone } from "./status-layout.ts";

export interface ScreenOptions {
  readonly out: (text: string) => void;
  readonly paint: Paint;
  /** Of the terminal; undefined: there is none, and lines are as long as what they say. */
  readonly width: number | undefined;
  /** A line may be written over. */
  readonly canErase: boolean;
}

/** Words, which a serial console shows too. */
const marks: Readonly<Record<Severity, readonly [word: string, tone: Tone]>> = {
  ok: ["ok", "good"],
  warning: ["warning", "doubtful"],
  failure: ["FAILURE", "bad"],
  skipped: ["skipped", "faint"],
};
const markWidth = 9;
/** The longest is receive_maximum. */
const labelWidth = 16;
const indent = 2 + markWidth + labelWidth;
/** Narrower terminals break the lines themselves. */
const leastWidth = 30;
const maxLines = 20;

interface Line {
  readonly severity: Severity;
  readonly isBehind: boolean;
  readonly label: string;
  readonly text: string;
}

export class DoctorScreen {
  readonly #options: ScreenOptions;
  #part: string | undefined;
  #isWaiting = false;
  /** Labels of what was skipped for one and the same reason, in a row: one line in the end. */
  #skipped: { readonly labels: string[]; readonly text: string } = { labels: [], text: "" };

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  show(finding: Shown, id: string): void {
    const { part, check, severity, text, code, hint, behind } = finding;
    const isNew = part !== this.#part;
    const isReasoned = severity === "skipped" && code === undefined && hint === undefined;
    if (isNew || !isReasoned || text !== this.#skipped.text) this.#flush();
    if (isNew) this.#print([...(this.#part === undefined ? [] : [""]), headingOf(part)]);
    this.#part = part;
    if (isReasoned) {
      this.#skipped = { text, labels: [...this.#skipped.labels, labelOf(check, id)] };
      return;
    }
    const isBehind = behind !== undefined;
    const said = code === undefined || severity === "ok" ? text : `${text} [${code}]`;
    this.#line({ severity, isBehind, label: labelOf(check, id), text: said });
    // The cure of what stands behind another one is that of the other.
    if (!isBehind && hint !== undefined) this.#print(this.#body(`→ ${hint}`).map(indented));
  }

  /** What is not over yet: stands there until the next line comes. */
  wait(titles: readonly string[]): void {
    const { out, paint, width = 80, canErase } = this.#options;
    if (!canErase || titles.length === 0) return;
    this.clear();
    out(paint("faint", cut(harmless(`  … ${titles.join(", ")}`), width - 1)));
    this.#isWaiting = true;
  }

  end(summary: Summary, tookMs: number): void {
    this.#flush();
    const { warnings, failures, lowest } = summary;
    const tone = failures > 0 ? "bad" : warnings > 0 ? "doubtful" : "good";
    const first = failures > 1 && lowest !== undefined ? `; begin with ${lowest.check}` : "";
    const text = `${verdictOf(summary)}${first} (${countsOf(summary)}; ${duration(tookMs)})`;
    const lines = this.#broken(text, 0);
    this.#print(["", ...lines.map((line) => this.#options.paint(tone, line))]);
  }

  /** The cursor stands at the beginning of a line again. */
  clear(): void {
    if (this.#isWaiting) this.#options.out("\r\u001b[K");
    this.#isWaiting = false;
  }

  #flush(): void {
    const { labels, text } = this.#skipped;
    this.#skipped = { labels: [], text: "" };
    const [label, ...more] = labels;
    if (label === undefined) return;
    const line = { severity: "skipped", isBehind: false } as const;
    if (more.length === 0) this.#line({ ...line, label, text });
    else this.#line({ ...line, label: `${labels.length} checks`, text: `${text} (${labels.join(", ")})` });
  }

  #line({ severity, isBehind, label, text }: Line): void {
    const [word, tone] = marks[severity];
    const mark = this.#options.paint(isBehind ? "faint" : tone, word) + " ".repeat(markWidth - word.length);
    const [first = "", ...rest] = this.#body(text);
    this.#print([`  ${mark}${`${harmless(label)} `.padEnd(labelWidth)}${first}`, ...rest.map(indented)]);
  }

  #print(lines: readonly string[]): void {
    this.clear();
    this.#options.out(lines.map((line) => `${line.trimEnd()}\n`).join(""));
  }

  #body(text: string): string[] {
    return this.#broken(text, indent);
  }

  #broken(text: string, used: number): string[] {
    const { width } = this.#options;
    const line = harmless(text);
    return width === undefined ? [line] : wrap(line, Math.max(leastWidth, width - used), maxLines);
  }
}

function indented(line: string): string {
  return " ".repeat(indent) + line;
}

function headingOf(part: string): string {
  const text = harmless(part);
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

/** "influxdb.main.tls" → "tls": the heading has said the rest. */
function labelOf(check: string, id: string): string {
  return check.startsWith(`${id}.`) ? check.slice(id.length + 1) : check;
}

function verdictOf({ failures, warnings }: Summary): string {
  if (failures > 0) return plural(failures, "failure");
  return warnings > 0 ? `It works, with ${plural(warnings, "warning")}` : "All is well";
}

function countsOf({ ok, warnings, failures, behind, skipped }: Summary): string {
  const counts: readonly (readonly [number, string])[] = [
    [behind, "more behind it"],
    [failures > 0 ? warnings : 0, warnings === 1 ? "warning" : "warnings"],
    [ok, "ok"],
    [skipped, "skipped"],
  ];
  return counts
    .filter(([count, what]) => count > 0 || what === "ok")
    .map(([count, what]) => `${count} ${what}`)
    .join(", ");
}
