/** A daemon's status for a person: 80 columns, the verdict first. Pure. */
import { total } from "../pipeline/counters.ts";
import type { DaemonStatus, FaultStatus, TroubleStatus } from "../status/daemon-status.ts";
import { formatBytes } from "../lib/units.ts";
import { harmless, wrap } from "./mapping-layout.ts";
import {
  bodyWidth,
  type Cell,
  columns,
  duration,
  faultLines,
  labelWidth,
  moment,
  number,
  type Paint,
  plural,
  screenWidth,
  type TextOptions,
  type Tone,
} from "./status-layout.ts";
import { partLines, startLines, streamsLines, unitLines } from "./status-parts.ts";
import { type Cause, safeMode, type Verdict } from "./status-verdict.ts";

const maxCauses = 4;
/** Of a sentence, and of a hint. */
const maxLines = 4;

export function statusLines(status: DaemonStatus, verdict: Verdict, options: TextOptions): string[] {
  const { paint } = options;
  const blocks: readonly (readonly [string, readonly string[]])[] = [
    ["mode", modeLines(status, verdict, paint)],
    ["node", columns([[{ text: status.node }]], bodyWidth, paint)],
    ["uptime", [`${duration(status.uptimeMs)}, since ${moment(status.startedAtMs)}, pid ${status.pid}`]],
    [
      "version",
      columns([[{ text: `flightline ${status.version}, Node.js ${status.nodeJs}` }]], bodyWidth, paint),
    ],
    [
      "memory",
      [`${formatBytes(status.residentBytes)}; event loop at most ${duration(status.loopDelayMs)} late`],
    ],
    ["systemd", serviceLines(status, paint)],
    ["journal", columns([[{ text: status.dataDir }]], bodyWidth, paint)],
    ["", [""]],
    ["brokers", brokerLines(status, paint)],
    ["databases", databaseLines(status, paint)],
    ["backlog", backlogLines(status, paint)],
    ["rates", [ratesLine(status)]],
    ["latency", [latencyLine(status)]],
    ["counts", countLines(status, options)],
    ["", [""]],
    ["queries", streamsLines(status.streams, options)],
    ["parts", partLines(status.parts, options)],
    ["starts", startLines(status.starts, options)],
    ["units", unitLines(status.units, options)],
  ];
  return [
    ...verdictLines(verdict, options),
    "",
    ...blocks.flatMap(([label, lines]) =>
      lines.map((line, index) => `  ${(index === 0 ? label : "").padEnd(labelWidth - 2)}${line}`.trimEnd()),
    ),
  ];
}

function verdictLines(verdict: Verdict, { all, paint }: TextOptions): string[] {
  if (verdict.kind === "well" && verdict.doubts.length === 0) return [paint("good", "Flightline is well.")];
  if (verdict.kind === "safe") return causeLines("", verdict.cause, "doubtful", paint);
  const [causes, first, tone] =
    verdict.kind === "well"
      ? ([verdict.doubts, "Flightline is well, but: ", "doubtful"] as const)
      : ([verdict.causes, "Trouble: ", "bad"] as const);
  const shown = all ? causes : causes.slice(0, maxCauses);
  const left = causes.length - shown.length;
  return [
    ...shown.flatMap((cause, index) =>
      index === 0 ? causeLines(first, cause, tone, paint) : causeLines("Also: ", cause, "doubtful", paint),
    ),
    ...(left > 0 ? [`  … and ${number(left)} more, which --all shows`] : []),
  ];
}

function causeLines(before: string, { message, code, hint }: Cause, tone: Tone, paint: Paint): string[] {
  const sentence = `${before}${message}${code === undefined ? "" : ` [${code}]`}`;
  const text = `${sentence.slice(0, 1).toUpperCase()}${sentence.slice(1)}`;
  const [first = "", ...rest] = wrap(harmless(text), screenWidth - 2, maxLines);
  return [
    paint(tone, first),
    ...rest.map((line) => `  ${paint(tone, line)}`),
    ...(hint === undefined ? [] : wrap(harmless(hint), screenWidth - 2, maxLines).map((line) => `  ${line}`)),
  ];
}

function modeLines({ mode }: DaemonStatus, verdict: Verdict, paint: Paint): string[] {
  if (mode.kind === "normal") return ["normal"];
  const waiting = mode.waiting.map(({ part, startsInMs }) => [
    { text: part },
    { text: `starts in ${duration(startsInMs)}` },
  ]);
  // The verdict has said the rest where it is what is wrong.
  const { message } = safeMode(mode);
  const first = verdict.kind === "safe" ? ["safe"] : wrap(harmless(message), bodyWidth, 2);
  return [...first.map((line) => paint("doubtful", line)), ...columns(waiting, bodyWidth, paint)];
}

function serviceLines({ service }: DaemonStatus, paint: Paint): string[] {
  const { way, watchdogMs, lastFault } = service;
  if (way === "none") return ["not started by it"];
  const watchdog = watchdogMs === undefined ? "no watchdog" : `watchdog ${duration(watchdogMs)}`;
  return [`told through ${way}, ${watchdog}`, ...faultLines(lastFault, paint)];
}

const stateTones: Readonly<Record<string, Tone>> = {
  connected: "good",
  up: "good",
  connecting: "doubtful",
  untried: "faint",
  waiting: "bad",
  away: "bad",
};

function brokerLines({ snapshot, troubles }: DaemonStatus, paint: Paint): string[] {
  const rows = snapshot.sources.map(({ name, state, connects, lastFault }) => {
    const isTold = troubles.some(({ where }) => where === name);
    const fault = state === "connected" || isTold ? undefined : lastFault;
    return {
      name,
      cells: [
        { text: name },
        { text: state, tone: stateTones[state] ?? "plain" },
        { text: plural(connects, "connect") },
        { text: fault ?? "", tone: "doubtful" as const },
      ],
    };
  });
  return withFaults(rows, troubles, paint);
}

function databaseLines({ snapshot, troubles }: DaemonStatus, paint: Paint): string[] {
  const rows = snapshot.databases.map(({ name, state }) => ({
    name,
    cells: [{ text: name }, { text: state, tone: stateTones[state] ?? "plain" }],
  }));
  return withFaults(rows, troubles, paint);
}

function withFaults(
  rows: readonly { readonly name: string; readonly cells: readonly Cell[] }[],
  troubles: DaemonStatus["troubles"],
  paint: Paint,
): string[] {
  const lines = columns(
    rows.map(({ cells }) => cells),
    bodyWidth,
    paint,
  );
  return lines.flatMap((line, index) => {
    const fault = troubles.find(({ where }) => where === rows[index]?.name);
    return [line, ...faultLines(fault && withReason(fault), paint)];
  });
}

function withReason({ behind, message, ...rest }: TroubleStatus): FaultStatus {
  return { ...rest, message: behind === undefined ? message : `${message}, because of the ${behind}` };
}

function backlogLines({ snapshot, oldestUnsentAgoMs, drain }: DaemonStatus, paint: Paint): string[] {
  const { backlog, waiting, evicted, evictedMinor } = snapshot.journal;
  const facts = [plural(backlog, "message")];
  if (drain !== undefined) facts.push(`${duration(drain.leftMs)} at ${rate(drain.perSecond)}`);
  if (oldestUnsentAgoMs !== undefined) facts.push(`oldest from ${duration(oldestUnsentAgoMs)} ago`);
  if (waiting > 0) facts.push(`${number(waiting)} not committed yet`);
  const lost = `${plural(evicted, "unsent message")} dropped because the journal was full`;
  const minor = `${number(evictedMinor)} of them logs, txacks and statistics`;
  const losses = [...(evicted > 0 ? [lost] : []), ...(evictedMinor > 0 ? [minor] : [])];
  return [facts.join(", "), ...losses.map((text) => paint("bad", text))];
}

function rate(perSecond: number): string {
  return `${perSecond < 9.95 ? perSecond.toFixed(1) : number(perSecond)}/s`;
}

function ratesLine({ rates }: DaemonStatus): string {
  return `${rates.received.toFixed(1)}/s received, ${rates.written.toFixed(1)}/s written, over the last minute`;
}

function latencyLine({ snapshot: { latencyMs, journal } }: DaemonStatus): string {
  const commit = `last commit ${duration(journal.lastCommitMs)}`;
  const { p50, p99 } = latencyMs;
  if (p50 === undefined || p99 === undefined) return `nothing written yet; ${commit}`;
  return `p50 ${duration(p50)}, p99 ${duration(p99)}; ${commit}`;
}

function countLines({ snapshot }: DaemonStatus, { all, paint }: TextOptions): string[] {
  const { counters, registry, quarantineEvicted, kept } = snapshot;
  const usual: readonly (readonly [string, number])[] = [
    ["received", counters.received],
    ["written", counters.written],
    ["devices", registry.devices],
    ["gateways", registry.gateways],
  ];
  const unusual: readonly (readonly [string, number, Tone, ReadonlyMap<string, number>?])[] = [
    ["quarantined", total(counters.quarantined), "doubtful", counters.quarantined],
    ["kept in quarantine", kept?.quarantined ?? 0, "doubtful"],
    ["dropped from quarantine", quarantineEvicted, "bad"],
    ["dead lines", total(counters.deadLines), "doubtful", counters.deadLines],
    ["messages wholly dead", total(counters.deadMessages), "doubtful", counters.deadMessages],
    ["dead lines kept", kept?.deadLines ?? 0, "doubtful"],
    ["dead lines dropped", kept?.deadLinesEvicted ?? 0, "bad"],
    ["held after a refusal", counters.held, "doubtful"],
    ["waiting for the clock", counters.waitingForClock, "doubtful"],
    ["received at QoS 0", counters.receivedQos0, "doubtful"],
    ["fields left out", counters.fieldsLeftOut, "doubtful"],
    ["retries", counters.retries, "plain"],
    ["duplicates", counters.duplicates, "plain"],
  ];
  const first = usual.map(([what, count]) => `${number(count)} ${what}`).join(", ");
  const rows = unusual
    .filter(([, count]) => all || count > 0)
    .flatMap(([what, count, tone, byCode]): Cell[][] => [
      [{ text: number(count).padStart(11), tone: count > 0 ? tone : "plain" }, { text: what }],
      ...reasonRows(byCode ?? new Map()),
    ]);
  return [first, ...columns(rows, bodyWidth, paint)];
}

/** Fault codes, the most frequent first. */
function reasonRows(byCode: ReadonlyMap<string, number>): Cell[][] {
  return [...byCode]
    .toSorted(([, one], [, other]) => other - one)
    .map(([code, count]) => [{ text: "" }, { text: `  ${number(count)} ${code}` }]);
}
