/** Who runs and who ran: the supervision tree, earlier runs, units of systemd. For a person; pure. */
import { formatBytes } from "../lib/units.ts";
import type { PartStatus, StartStatus, StreamsProcessStatus, UnitStatus } from "../status/daemon-status.ts";
import {
  bodyWidth,
  type Cell,
  columns,
  duration,
  faultLines,
  moment,
  number,
  type Paint,
  plural,
  type TextOptions,
  type Tone,
} from "./status-layout.ts";

export function partLines(parts: readonly PartStatus[], { all, paint }: TextOptions): string[] {
  const running = parts.filter(({ state }) => state === "running");
  // What had one thing to do and has done it is nobody's concern.
  const wanted = parts.filter(({ state, lastFault }) => state !== "ended" || lastFault !== undefined);
  // One that was started again is not simply running.
  const shown = all ? parts : wanted.filter(({ state, restarts }) => state !== "running" || restarts > 0);
  const lines = columns(
    shown.map((part) => partCells(part, all)),
    bodyWidth,
    paint,
  );
  return [
    `${number(running.length)} of ${number(wanted.length)} running`,
    ...lines.flatMap((line, index) => [line, ...faultLines(shown[index]?.lastFault, paint)]),
  ];
}

const partTones: Readonly<Record<PartStatus["state"], Tone>> = {
  running: "good",
  waiting: "doubtful",
  stopping: "doubtful",
  parked: "bad",
  stuck: "bad",
  ended: "plain",
};

function partCells(part: PartStatus, all: boolean): Cell[] {
  const { name, state, restarts, sinceAgoMs, nextTryInMs, lastBeatAgoMs } = part;
  const facts = [
    ...(nextTryInMs === undefined ? [] : [`next try in ${duration(nextTryInMs)}`]),
    ...(all && lastBeatAgoMs !== undefined ? [`last sign ${duration(lastBeatAgoMs)} ago`] : []),
  ];
  return [
    { text: name },
    { text: state, tone: partTones[state] },
    { text: `for ${duration(sinceAgoMs)}` },
    { text: plural(restarts, "restart"), tone: restarts > 0 ? "doubtful" : "plain" },
    { text: facts.join(", ") },
  ];
}

/** The process behind queries over Flight: nothing, as long as nobody has asked one. */
export function streamsLines(streams: StreamsProcessStatus, { all, paint }: TextOptions): string[] {
  const { state, pid, residentBytes, starts, failures, lastFault, queries } = streams;
  if (starts === 0 && !all) return [];
  const { underWay, waiting, answered, faulted, parked } = queries;
  const process = [
    state === "idle" ? "no process is needed now" : `process ${pid ?? "?"} ${state}`,
    ...(residentBytes === undefined ? [] : [formatBytes(residentBytes)]),
    ...(failures === 0 ? [] : [`it ended badly ${plural(failures, "time")}`]),
  ];
  const counts = [
    `${number(answered)} answered`,
    `${number(faulted)} failed`,
    ...(underWay + waiting === 0 ? [] : [`${number(underWay)} under way`, `${number(waiting)} waiting`]),
  ];
  return [
    paint(failures > 0 ? "doubtful" : "plain", process.join(", ")),
    ...faultLines(lastFault, paint),
    counts.join(", "),
    ...faultLines(queries.lastFault, paint),
    ...(parked === 0
      ? []
      : [paint("doubtful", `${number(parked)} refused for a while: the process died of it twice`)]),
  ];
}

export function startLines(starts: readonly StartStatus[], { all, paint }: TextOptions): string[] {
  if (starts.length === 0) return ["no run before this one is known"];
  const unclean = starts.filter(({ end }) => end !== "clean");
  // A crash that somebody recorded says more than an end that nobody saw.
  const last = starts.find(({ end }) => end === "crash") ?? unclean[0];
  const shown = all ? starts : starts.filter((start) => start === last);
  return [
    `${number(unclean.length)} unclean ${unclean.length === 1 ? "end" : "ends"} in the ${plural(starts.length, "run")} before this one`,
    ...shown.flatMap((start) => [
      ...columns([startCells(start)], bodyWidth, paint),
      ...faultLines(start.fault, paint),
    ]),
  ];
}

function startCells({ startedAtMs, end, part }: StartStatus): Cell[] {
  const what = { clean: "ended cleanly", crash: "crashed", unknown: "was killed, or lost power" }[end];
  const where = part === undefined ? "" : ` in "${part}"`;
  return [
    { text: `started ${moment(startedAtMs)}` },
    { text: `${what}${where}`, tone: end === "clean" ? "plain" : "doubtful" },
  ];
}

export function unitLines(units: readonly UnitStatus[] | undefined, { paint, nowMs }: TextOptions): string[] {
  if (units === undefined) return ["no systemd answers here"];
  if (units.length === 0) return ["systemd knows neither ours nor a neighbour's"];
  const rows = units.map((unit): Cell[] => {
    const { restarts, sinceAtMs } = unit;
    return [
      { text: unit.unit.replace(/\.service$/, "") },
      stateCell(unit),
      { text: plural(restarts, "restart"), tone: restarts > 0 ? "doubtful" : "plain" },
      { text: sinceAtMs === undefined ? "" : `for ${duration(Math.max(0, nowMs - sinceAtMs))}` },
    ];
  });
  const lines = columns(rows, bodyWidth, paint);
  return lines.flatMap((line, index) => [line, ...exitLines(units[index], paint)]);
}

/** Of a unit that did not always run. */
function exitLines(unit: UnitStatus | undefined, paint: Paint): string[] {
  if (unit === undefined) return [];
  const { lastExit, result, restarts } = unit;
  if (result === "success" && restarts === 0) return [];
  const exit = lastExit === undefined ? [] : [`last exit: ${lastExit}`];
  const text = [...exit, ...(result === "success" ? [] : [`result: ${result}`])].join(", ");
  return text === "" ? [] : columns([[{ text: `  ${text}` }]], bodyWidth, paint);
}

function stateCell({ isLooping, activeState, subState }: UnitStatus): Cell {
  if (isLooping) return { text: "restart loop", tone: "bad" };
  const tone = { active: "good", failed: "bad", inactive: "plain" } as const;
  return { text: `${activeState} (${subState})`, tone: tone[activeState as keyof typeof tone] ?? "doubtful" };
}
