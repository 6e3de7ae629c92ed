/** What a sequence does, as data: a failing one is kept as it is, and can be read. */
import * as fc from "fast-check";

export type Action =
  /** `minorEvery`: every so manieth is a log, a txack or statistics; 0, or none given: none is. */
  | readonly ["append", count: number, bytes: number, minorEvery?: number]
  | readonly ["commit"]
  | readonly ["settle", from: number, count: number]
  | readonly ["settleEvery", from: number, step: number]
  | readonly ["unsettle", from: number, count: number]
  | readonly ["requeue", from: number, count: number, boot: number]
  | readonly ["keepFrom", seq: number]
  | readonly ["read", from: number, count: number, maxCount: number]
  | readonly ["page", from: number, maxCount: number]
  | readonly ["wait", hours: number]
  | readonly ["stepClock", hours: number]
  | readonly ["reboot", offHours: number, wrongHours: number]
  | readonly ["kill"]
  | readonly ["cutInCommit", percent: number, luck: number]
  | readonly ["cutInCheckpoint", luck: number]
  | readonly ["checkpoint"]
  | readonly ["restart"];

export interface Settings {
  /** So small that it is full most of the time. */
  readonly isSmall: boolean;
  readonly whenFull: "drop_oldest" | "stop_acking";
}

export interface Sequence {
  readonly settings: Settings;
  readonly actions: readonly Action[];
}

const between = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

const minorEvery = fc.constantFrom(0, 0, 1, 2, 3, 5, 9);

/** How often each is done, beside the others. */
const kinds: readonly (readonly [weight: number, arbitrary: fc.Arbitrary<Action>])[] = [
  [6, fc.tuple(fc.constant("append"), between(1, 12), between(4, 9000), minorEvery)],
  [6, fc.tuple(fc.constant("append"), between(30, 200), between(4, 400), minorEvery)],
  [14, fc.tuple(fc.constant("commit"))],
  [5, fc.tuple(fc.constant("settle"), fc.nat(1000), fc.nat(12))],
  [3, fc.tuple(fc.constant("settle"), fc.nat(300), fc.nat(1000))],
  [4, fc.tuple(fc.constant("settleEvery"), fc.nat(1000), between(2, 9))],
  [2, fc.tuple(fc.constant("unsettle"), fc.nat(1000), fc.nat(200))],
  [3, fc.tuple(fc.constant("unsettle"), fc.nat(60), fc.nat(60))],
  [4, fc.tuple(fc.constant("requeue"), fc.nat(1000), between(1, 90), fc.nat(2))],
  [1, fc.tuple(fc.constant("keepFrom"), fc.nat(2000))],
  [1, fc.tuple(fc.constant("read"), fc.nat(1000), fc.nat(20), fc.nat(20))],
  [1, fc.tuple(fc.constant("page"), fc.nat(1000), between(1, 50))],
  [4, fc.tuple(fc.constant("wait"), between(1, 80))],
  [2, fc.tuple(fc.constant("stepClock"), between(-200, 200))],
  [1, fc.tuple(fc.constant("reboot"), between(0, 500), between(-500_000, 500))],
  [1, fc.tuple(fc.constant("kill"))],
  [2, fc.tuple(fc.constant("cutInCommit"), between(0, 100), fc.nat(1 << 30))],
  [1, fc.tuple(fc.constant("cutInCheckpoint"), fc.nat(1 << 30))],
  [1, fc.tuple(fc.constant("checkpoint"))],
  [1, fc.tuple(fc.constant("restart"))],
];

/** More than a small journal holds, and nobody settles any of it. */
const flood: fc.Arbitrary<Action[]> = fc
  .array(fc.tuple(fc.constant("append" as const), between(100, 200), between(200, 400), minorEvery), {
    minLength: 3,
    maxLength: 5,
    size: "max",
  })
  .map((appends) => appends.flatMap((append): Action[] => [append, ["commit"]]));

export function sequences(isSmall: boolean): fc.Arbitrary<Sequence> {
  return fc.record({
    settings: fc.record<Settings>({
      isSmall: fc.constant(isSmall),
      whenFull: fc.constantFrom("drop_oldest", "stop_acking"),
    }),
    actions: fc
      .array(
        fc.oneof(
          ...kinds.map(([weight, arbitrary]) => ({ weight, arbitrary: arbitrary.map((one) => [one]) })),
          { weight: isSmall ? 3 : 0, arbitrary: flood },
        ),
        { minLength: 10, maxLength: 40, size: "max" },
      )
      .map((parts) => parts.flat()),
  });
}
