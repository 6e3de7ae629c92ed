/**
 * What the findings come to. When several parts fail because DNS or the uplink is gone, one failure says so and
 * theirs stand behind it: the lowest failing layer is what has to be mended. Pure.
 */
import type { Fault } from "../lib/fault.ts";
import { commonCause } from "../net/common-cause.ts";
import type { Finding } from "./finding.ts";

/** A finding in the place where it is shown. */
export interface Shown extends Finding {
  /** What was examined, as its heading says it: "broker main". */
  readonly part: string;
  /** The check of the failure that explains this one, which is not counted on its own. */
  readonly behind?: string | undefined;
}

/** What was found at a peer on the network. */
export interface PeerFindings {
  readonly part: string;
  /** The name or address that it connects to. */
  readonly host: string;
  readonly findings: readonly Finding[];
  readonly isOver: boolean;
}

interface NetworkFailure {
  readonly finding: Finding;
  /** What it explains. */
  readonly behind: ReadonlySet<Finding>;
}

/** Undefined: each failure stands for itself. */
export function networkFailure(peers: readonly PeerFindings[]): NetworkFailure | undefined {
  const complaints = peers.flatMap(({ part, host, findings }) =>
    findings.flatMap((finding) =>
      isComplaint(finding) ? [{ where: part, host, fault: { code: finding.code }, finding }] : [],
    ),
  );
  const cause = commonCause(
    complaints,
    peers.filter(isReached).map(({ host }) => host),
  );
  if (cause === undefined) return undefined;
  return { finding: ofNetwork(cause.fault), behind: new Set(cause.behind.map(({ finding }) => finding)) };
}

/** What is still under way cannot change that there is, or is not, a failure of the network. */
export function isNetworkKnown(peers: readonly PeerFindings[]): boolean {
  const open = peers.filter(({ isOver }) => !isOver).length;
  const complaining = peers.filter(({ isOver, findings }) => isOver && findings.some(isComplaint)).length;
  // A cause is common to two at least.
  return open === 0 || open + complaining < 2;
}

function isComplaint(finding: Finding): finding is Finding & { readonly code: string } {
  return finding.severity === "failure" && finding.code !== undefined;
}

/** A connection came about, or all that was examined there is well. */
function isReached({ findings, isOver }: PeerFindings): boolean {
  const well = findings.filter(({ severity }) => severity === "ok" || severity === "warning");
  if (well.some(({ check }) => /\.(?:tcp|proxy)$/.test(check))) return true;
  return isOver && well.length > 0 && findings.every(({ severity }) => severity !== "failure");
}

function ofNetwork({ code, message, hint }: Fault): Finding {
  return { check: "network", severity: "failure", text: message, hint, code };
}

export interface Summary {
  readonly ok: number;
  readonly warnings: number;
  /** Without those behind another one. */
  readonly failures: number;
  readonly behind: number;
  readonly skipped: number;
  /** The first failure: what was shown came lowest layer first. */
  readonly lowest: Shown | undefined;
}

export function summarise(findings: readonly Shown[]): Summary {
  const standing = findings.filter(({ behind }) => behind === undefined);
  const count = (severity: Finding["severity"]): number =>
    standing.filter((finding) => finding.severity === severity).length;
  return {
    ok: count("ok"),
    warnings: count("warning"),
    failures: count("failure"),
    behind: findings.length - standing.length,
    skipped: count("skipped"),
    lowest: standing.find(({ severity }) => severity === "failure"),
  };
}
