import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  defaultFlappingSettings,
  type FlappingNews,
  type FlappingState,
  flappingTold,
  neverSeen,
} from "../../../src/supervision/flapping.ts";

const settings = { windowMs: 60_000, vanishings: 3 };

/** Words as "time in seconds, up or down" → what was said, with its time. */
function told(words: readonly (readonly [number, "up" | "down"])[]): [number, FlappingNews][] {
  const said: [number, FlappingNews][] = [];
  let state: FlappingState = neverSeen;
  for (const [atS, word] of words) {
    const next = flappingTold(state, word === "up", atS * 1000, settings);
    state = next.state;
    assert.ok(state.changes.length <= 2 * settings.vanishings);
    if (next.news !== undefined) said.push([atS, next.news]);
  }
  return said;
}

const threeTimes = [
  [0, "up"],
  [10, "down"],
  [12, "up"],
  [20, "down"],
  [22, "up"],
  [30, "down"],
] as const;
const flapping: [number, FlappingNews] = [
  30,
  { kind: "flapping", counts: { sinceMs: 10_000, appeared: 2, vanished: 3 } },
];

describe("a neighbour", () => {
  const rows: readonly (readonly [string, Parameters<typeof told>[0], ReturnType<typeof told>])[] = [
    [
      "that is up and stays up: nothing",
      [
        [0, "up"],
        [50, "up"],
        [500, "up"],
      ],
      [],
    ],
    [
      "that is away from the start: nothing",
      [
        [0, "down"],
        [500, "down"],
      ],
      [],
    ],
    [
      "with one long outage: nothing",
      [
        [0, "up"],
        [5, "down"],
        [5000, "down"],
        [9000, "up"],
      ],
      [],
    ],
    ["that vanishes twice: nothing", threeTimes.slice(0, 5), []],
    ["that vanishes three times within the window: flapping, with the counts", threeTimes, [flapping]],
    [
      "that vanishes three times in more than the window: nothing",
      [
        [0, "up"],
        [10, "down"],
        [12, "up"],
        [40, "down"],
        [42, "up"],
        [70, "down"],
      ],
      [],
    ],
    [
      "whose state is told again and again: a repetition is no change",
      [
        [0, "up"],
        [10, "down"],
        [11, "down"],
        [12, "down"],
        [13, "down"],
      ],
      [],
    ],
    [
      "that goes on: no further word until it is calm, and then the counts of all of it",
      [
        ...threeTimes,
        [32, "up"],
        [40, "down"],
        [60, "up"],
        [61, "up"],
        [119, "up"],
        [120, "up"],
        [300, "up"],
      ],
      [flapping, [120, { kind: "calm", counts: { sinceMs: 10_000, appeared: 4, vanished: 4 }, isUp: true }]],
    ],
    [
      "that stays away after all: calm, and away",
      [...threeTimes, [90, "down"]],
      [flapping, [90, { kind: "calm", counts: flapping[1].counts, isUp: false }]],
    ],
    [
      "that nobody asked about for long: calm is said with the change that ends the rest",
      [...threeTimes, [1000, "up"]],
      [flapping, [1000, { kind: "calm", counts: flapping[1].counts, isUp: false }]],
    ],
    [
      "that begins again after it was calm: news again",
      [
        ...threeTimes,
        [90, "down"],
        [100, "up"],
        [101, "down"],
        [102, "up"],
        [103, "down"],
        [104, "up"],
        [105, "down"],
      ],
      [
        flapping,
        [90, { kind: "calm", counts: flapping[1].counts, isUp: false }],
        [105, { kind: "flapping", counts: { sinceMs: 100_000, appeared: 3, vanished: 3 } }],
      ],
    ],
  ];
  for (const [name, words, said] of rows) {
    test(name, () => {
      assert.deepEqual(told(words), said);
    });
  }
});

test("a day of flapping is two lines", () => {
  let state: FlappingState = neverSeen;
  const said: string[] = [];
  for (let second = 0; second < 86_400; second += 7) {
    const next = flappingTold(state, second % 2 === 0, second * 1000, defaultFlappingSettings);
    state = next.state;
    if (next.news !== undefined) said.push(next.news.kind);
  }
  const { news } = flappingTold(state, state.isUp === true, 90_000_000, defaultFlappingSettings);
  assert.deepEqual([...said, news?.kind], ["flapping", "calm"]);
  assert.ok(state.episode !== undefined && state.episode.vanished > 6000);
});
