/** `flightline buffer requeue`, `resend` and `purge`. */
import { systemClock as clock } from "../lib/clock.ts";
import type { ActionResult, BufferActions } from "../status/buffer-wire.ts";
import { type Access, openChange } from "./buffer-access.ts";
import { actOn, type Done, type Meant, meantBy, nothingDone, partsOf } from "./buffer-act.ts";
import {
  choosesAll,
  euiOf,
  parseSelection,
  parseTime,
  type Selection,
  type SelectionFlags,
} from "./buffer-arguments.ts";
import { listedKinds } from "./buffer-keys.ts";
import { counted } from "./buffer-text.ts";
import { onlyHere } from "./buffer-resend.ts";
import { leftText, misused, withAccess } from "./buffer.ts";
import { exitCode, type Io, type Run } from "./io.ts";
import type { FindOptions } from "./status-find.ts";
import { plural } from "./status-layout.ts";

export interface RequeueOptions extends FindOptions, SelectionFlags {
  readonly all: boolean;
}

const asideKinds = ["quarantined", "dead"] as const;

export const bufferRequeueCommand: Run<RequeueOptions> = async (options, io) => {
  const nothingChosen = choosesAll(options) && !options.all;
  if (nothingChosen)
    return misused("Choose: --quarantined, --dead, --reason, --device, --key, or --all.", io);
  const selected = parseSelection(options, asideKinds);
  if (!selected.ok) return misused(selected.mistake, io);
  return await withAccess(openChange, options, io, async (access) => {
    const done = nothingDone();
    const act = (kind: (typeof asideKinds)[number]) => (keys: readonly number[]) =>
      access.buffer.requeue(kind, keys);
    await reportingAlways(
      async () => {
        for (const one of await meantBy(access, selected.value)) {
          if (one.kind === "quarantined" || one.kind === "dead") {
            await actOnAll(access, selected.value, one, act(one.kind), done, io);
          }
        }
      },
      () => sayRequeued(done, io),
    );
    return exitCode.done;
  });
};

function sayRequeued({ messages, rows, withoutBytes, spared }: Done, io: Io): void {
  const text = `${plural(messages, "message")} (${plural(rows, "row")}) back into the journal.`;
  io.out(`${[text, ...leftText(withoutBytes, spared)].join("\n")}\n`);
}

async function actOnAll(
  access: Access,
  selection: Selection,
  meant: Meant,
  act: (keys: readonly number[]) => Promise<ActionResult>,
  done: Done,
  io: Io,
): Promise<void> {
  for await (const keys of partsOf(access, selection, meant)) await actOn(keys, act, done, io.signal);
}

/** What was done is said also when a fault ended it. */
async function reportingAlways(work: () => Promise<void>, report: () => void): Promise<void> {
  try {
    await work();
  } finally {
    report();
  }
}

export interface ResendOptions extends FindOptions {
  readonly since: string;
  readonly until: string | undefined;
  readonly device: string | undefined;
}

export const bufferResendCommand: Run<ResendOptions> = async (options, io) => {
  const nowMs = clock.nowMs();
  const since = parseTime("--since", options.since, nowMs);
  if (!since.ok) return misused(since.mistake, io);
  const until =
    options.until === undefined
      ? ({ ok: true, value: nowMs } as const)
      : parseTime("--until", options.until, nowMs);
  if (!until.ok) return misused(until.mistake, io);
  const device = options.device === undefined ? undefined : euiOf(options.device);
  if (device === "") return misused("--device: expected an EUI of 16 hex digits.", io);
  const asked = { kind: "settled", sinceMs: since.value, untilMs: until.value, device } as const;
  return await withAccess(openChange, options, io, async (access) => {
    io.err(
      "A message whose mapping, tags or time rules have changed since makes other points, beside those that are there.\n",
    );
    const done = nothingDone();
    const act: BufferActions["resend"] = (keys) => access.buffer.resend(keys);
    const leftOut = { count: 0 };
    await reportingAlways(
      async () => {
        for await (const keys of onlyHere(access, asked, leftOut)) await actOn(keys, act, done, io.signal);
      },
      () => {
        io.out(`${counted(done.messages, "settled")} will be sent again.\n`);
        if (leftOut.count > 0) io.out(`${leftOutText(leftOut.count)}\n`);
      },
    );
    return exitCode.done;
  });
};

function leftOutText(count: number): string {
  const are = count === 1 ? "is" : "are";
  return `${counted(count, "settled")} ${are} left out: put back since, quarantined or dead, which is for requeue.`;
}

export interface PurgeOptions extends FindOptions, SelectionFlags {
  readonly all: boolean;
  readonly yes: boolean;
  /** Asks whoever sits at the terminal; undefined: nobody does. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
}

export const bufferPurgeCommand: Run<PurgeOptions> = async (options, io) => {
  if (choosesAll(options) && !options.all) {
    return misused("Choose: --pending, --quarantined, --dead, --reason, --device, --key, or --all.", io);
  }
  const selected = parseSelection(options, listedKinds);
  if (!selected.ok) return misused(selected.mistake, io);
  const { confirm } = options;
  if (!options.yes && confirm === undefined) {
    return misused("There is no terminal to ask at: add --yes if it is to be gone for good.", io);
  }
  return await withAccess(openChange, options, io, async (access) => {
    const meant = await meantBy(access, selected.value);
    if (meant.length === 0) {
      io.out("There is nothing to purge.\n");
      return exitCode.done;
    }
    const what = meant.map(({ kind, count }) => counted(count, kind)).join(", ");
    const question = `${what} will be gone for good, with their bytes. Go on?`;
    if (!options.yes && (await confirm?.(question)) !== true) {
      io.err("Nothing was purged.\n");
      return exitCode.failed;
    }
    await purge(access, selected.value, meant, io);
    return exitCode.done;
  });
};

async function purge(
  access: Access<BufferActions>,
  selection: Selection,
  meant: readonly Meant[],
  io: Io,
): Promise<void> {
  for (const one of meant) {
    const { kind } = one;
    if (kind === "settled") continue;
    const done = nothingDone();
    const act: (keys: readonly number[]) => Promise<ActionResult> = (keys) => access.buffer.purge(kind, keys);
    await reportingAlways(
      async () => {
        await actOnAll(access, selection, one, act, done, io);
      },
      () => {
        io.out(`${counted(done.rows, kind)} purged.\n`);
      },
    );
  }
}
