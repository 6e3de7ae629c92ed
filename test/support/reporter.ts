/**
 * What a person reads of a test run, made from the events of node:test.
 *
 * One line per test file; a failure at once and once more at the end; every skipped test with its reason;
 * and as the very last line `N passed, N failed, N skipped`, counted from the events and from nothing else.
 * A test whose subtests failed is not counted beside them. Three things that node:test lets pass are
 * failures here: a file without a test, a test marked as still to do, and a run that saw no test at all.
 */
import { inspect } from "node:util";

export interface Place {
  readonly file?: string | undefined;
  readonly nesting: number;
  readonly name: string;
  readonly testId?: number | undefined;
  readonly parentId?: number | undefined;
}

export interface Finished extends Place {
  readonly details: {
    readonly duration_ms: number;
    readonly type?: "suite" | "test" | undefined;
    readonly error?: unknown;
  };
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
}

interface FileRecord {
  readonly names: Map<number, { readonly name: string; readonly parentId: number | undefined }>;
  readonly notes: string[];
  passed: number;
  failed: number;
  skipped: number;
  /** The tail of what the file wrote, shown only when it fails. */
  output: string;
}

interface Failure {
  readonly where: string;
  readonly text: string;
}

const outputMaxChars = 16_384;

export interface ReportOptions {
  readonly print: (text: string) => void;
  /** "/checkout/test/a.test.ts" → "test/a.test.ts" */
  readonly shorten: (file: string) => string;
  /** Only tests of some name were asked for: then a file may well have none. */
  readonly isPartial: boolean;
}

export class Report {
  readonly #files = new Map<string, FileRecord>();
  readonly #failures: Failure[] = [];
  readonly #skips: string[] = [];
  readonly #options: ReportOptions;
  #passed = 0;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  started(test: Place): void {
    if (test.testId === undefined || isWholeFile(test)) return;
    this.#record(test.file).names.set(test.testId, { name: test.name, parentId: test.parentId });
  }

  wrote(file: string | undefined, text: string): void {
    const record = this.#record(file);
    record.output = (record.output + text).slice(-outputMaxChars);
  }

  noted(file: string | undefined, text: string): void {
    if (file !== undefined) this.#record(file).notes.push(text);
  }

  passed(test: Finished): void {
    if (isWholeFile(test)) {
      if (!this.#options.isPartial) this.#endFile(test, "the file has no test in it");
    } else if (test.details.type === "suite") {
      return;
    } else if (isMarked(test.todo)) {
      this.#fail(test, "it is marked todo: a promise is not a test");
    } else if (isMarked(test.skip)) {
      this.#record(test.file).skipped += 1;
      const reason = typeof test.skip === "string" && test.skip !== "" ? test.skip : "no reason given";
      this.#skips.push(`${this.#where(test)}: ${reason}`);
    } else {
      this.#record(test.file).passed += 1;
      this.#passed += 1;
    }
  }

  failed(test: Finished): void {
    if (failureType(test.details.error) === "subtestsFailed") return;
    const text = describe(test.details.error);
    if (isWholeFile(test)) this.#endFile(test, text);
    else this.#fail(test, text);
  }

  /** Something beside the tests failed: a gate before them, a process that they left behind. */
  failedBeside(what: string, text: string): void {
    this.#addFailure({ where: what, text });
  }

  /** All tests of a file have been reported. */
  fileEnded(file: string, durationMs: number): void {
    const record = this.#record(file);
    if (record.passed + record.failed + record.skipped === 0) return;
    const counts = [`${record.passed} passed`];
    if (record.failed > 0) counts.push(`${record.failed} failed`);
    if (record.skipped > 0) counts.push(`${record.skipped} skipped`);
    const verdict = record.failed > 0 ? "FAIL" : "ok  ";
    const seconds = `${(durationMs / 1000).toFixed(2)} s`;
    this.#options.print(
      `${verdict} ${this.#options.shorten(file).padEnd(52)} ${counts.join(", ")}, ${seconds}\n`,
    );
    for (const note of record.notes) this.#options.print(`     ${indent(note, 5)}\n`);
    if (record.failed > 0) this.#printOutput(record);
  }

  /** Prints the end of the report. True when the run may be called green. */
  finish(): boolean {
    const skipped = this.#skips.length;
    if (this.#passed + this.#failures.length + skipped === 0) {
      this.failedBeside("the run", "no test was seen");
    }
    if (skipped > 0)
      this.#options.print(`\nSkipped:\n${this.#skips.map((line) => `  - ${line}\n`).join("")}`);
    if (this.#failures.length > 0) {
      this.#options.print("\nFailed:\n");
      for (const failure of this.#failures) this.#printFailure(failure);
    }
    this.#options.print(`\n${this.#passed} passed, ${this.#failures.length} failed, ${skipped} skipped\n`);
    return this.#failures.length === 0;
  }

  #record(file: string | undefined): FileRecord {
    const key = file ?? "";
    let record = this.#files.get(key);
    if (record === undefined) {
      record = { names: new Map(), notes: [], passed: 0, failed: 0, skipped: 0, output: "" };
      this.#files.set(key, record);
    }
    return record;
  }

  #fail(test: Finished, text: string): void {
    this.#record(test.file).failed += 1;
    this.#addFailure({ where: this.#where(test), text });
  }

  /** The file as a whole failed: it threw while loading, died, was killed, or held no test. */
  #endFile(test: Finished, text: string): void {
    const file = test.file ?? test.name;
    const record = this.#record(file);
    record.failed += 1;
    this.fileEnded(file, test.details.duration_ms);
    const output = record.output.trimEnd();
    const tail = output === "" ? "" : `\n${output.split("\n").slice(-30).join("\n")}`;
    this.#addFailure({ where: this.#options.shorten(file), text: `${text}${tail}` });
  }

  #addFailure(failure: Failure): void {
    this.#failures.push(failure);
    this.#printFailure(failure);
  }

  #printFailure(failure: Failure): void {
    this.#options.print(`  ✗ ${failure.where}\n      ${indent(failure.text, 6)}\n`);
  }

  #printOutput(record: FileRecord): void {
    const output = record.output.trimEnd();
    if (output !== "")
      this.#options.print(`     it wrote:\n     | ${output.replaceAll("\n", "\n     | ")}\n`);
  }

  #where(test: Place): string {
    const { names } = this.#record(test.file);
    const path = [test.name];
    let parentId = test.parentId ?? names.get(test.testId ?? -1)?.parentId;
    while (parentId !== undefined) {
      const parent = names.get(parentId);
      if (parent === undefined) break;
      path.unshift(parent.name);
      parentId = parent.parentId;
    }
    return `${this.#options.shorten(test.file ?? "")}: ${path.join(" › ")}`;
  }
}

/** node:test reports a file as a test of its own name only when it held none or failed as a whole. */
function isWholeFile(test: Place): boolean {
  return (
    test.nesting === 0 &&
    test.file !== undefined &&
    test.file.endsWith(test.name) &&
    /\.[cm]?[jt]s$/.test(test.name)
  );
}

function isMarked(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}

function failureType(error: unknown): unknown {
  return typeof error === "object" && error !== null && "failureType" in error
    ? error.failureType
    : undefined;
}

/** The error that the test threw; node:test wraps it. */
function describe(error: unknown): string {
  const thrown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(thrown instanceof Error)) return typeof thrown === "string" ? thrown : inspect(thrown);
  const stack = thrown.stack ?? `${thrown.name}: ${thrown.message}`;
  const lines = stack.split("\n").filter((line) => !/^\s+at .*node:internal/.test(line));
  const cause = thrown.cause === undefined ? "" : `\ncaused by ${describe(thrown.cause)}`;
  return `${lines.join("\n")}${cause}`;
}

function indent(text: string, spaces: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(spaces)}`);
}
