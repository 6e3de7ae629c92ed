/** `flightline buffer export`. */
import type { Writable } from "node:stream";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { type Access, ConfigNeeded, openLook } from "./buffer-access.ts";
import { parseSelection, type Selection, type SelectionFlags } from "./buffer-arguments.ts";
import { afterText, type Exported, type ExportForm, exportRows, nothingExported } from "./buffer-export.ts";
import { listedKinds } from "./buffer-keys.ts";
import { misused, withAccess } from "./buffer.ts";
import { exitCode, type Io, type Run } from "./io.ts";
import { FileOutput, type Output, StreamOutput } from "./query-output.ts";
import type { FindOptions } from "./status-find.ts";
import { plural } from "./status-layout.ts";

export interface ExportOptions extends FindOptions, SelectionFlags {
  readonly ndjson: boolean;
  readonly lines: boolean;
  /** A file's path; undefined or "-": standard output. */
  readonly output: string | undefined;
  readonly stdout: Writable;
}

export const bufferExportCommand: Run<ExportOptions> = async (options, io) => {
  if (options.ndjson === options.lines) return misused("Choose one: --ndjson or --lines.", io);
  // What could not be decoded has no lines.
  const selected = parseSelection(options, options.lines ? ["pending", "dead"] : listedKinds);
  if (!selected.ok) return misused(selected.mistake, io);
  return await withAccess(openLook, options, io, async (access) => {
    const form = formOf(options, io);
    const { output = "-" } = options;
    const target =
      output === "-" ? new StreamOutput(options.stdout, io.signal) : await FileOutput.open(output);
    const exported = nothingExported();
    try {
      await exportTo(target, access, selected.value, form, exported);
    } catch (error) {
      await target.discard();
      if (output === "-") io.err(brokenText(exported));
      throw error;
    }
    io.err(doneText(exported, form));
    return exitCode.done;
  });
};

async function exportTo(
  output: Output,
  access: Access,
  selection: Selection,
  form: ExportForm,
  exported: Exported,
): Promise<void> {
  await exportRows(access, selection, form, output, exported);
  await output.finish();
}

function formOf({ lines, config }: ExportOptions, { env }: Io): ExportForm {
  if (!lines) return { kind: "ndjson" };
  const loaded = loadConfig({ file: config, env });
  if (!loaded.ok) throw new ConfigNeeded(loaded.problems.map(formatProblem).join(""));
  return { kind: "lines", config: loaded.config };
}

function doneText(exported: Exported, { kind }: ExportForm): string {
  const { rows, lines, undecodable, waiting } = exported;
  const what = kind === "lines" ? `${plural(lines, "line")} of ${plural(rows, "row")}` : plural(rows, "row");
  const after = afterText(exported);
  return [
    `Exported ${what}.`,
    ...(undecodable === 0 ? [] : [`${plural(undecodable, "message")} cannot be decoded: --ndjson has them.`]),
    ...(waiting === 0
      ? []
      : [
          `${plural(waiting, "message")} ${waiting === 1 ? "waits" : "wait"} for a right clock: --ndjson has them.`,
        ]),
    ...(after === "" ? [] : [`What comes later: ${after}`]),
    "",
  ].join("\n");
}

function brokenText(exported: Exported): string {
  const after = afterText(exported);
  const rest = after === "" ? "" : `; the rest: ${after}`;
  return `Broken off after ${plural(exported.rows, "row")}${rest}\n`;
}
