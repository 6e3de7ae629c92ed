/** Whatever is refused, in whatever style a server answers: every good line arrives, every bad one is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { RefusedLine } from "../../../src/pipeline/ports.ts";
import {
  type Answer,
  delivered,
  refused,
  stumbled,
  tooLarge,
  type Write,
} from "../../support/fakes/scripted-writer.ts";
import { Bench } from "./forward-bench.ts";

/** What a server names of the lines that it refuses: the first one, each, none, or nothing in its right mind. */
type Style = "first" | "each" | "none" | "beyond";

interface Story {
  readonly messages: number;
  /** Lines whose number in the order of their first coming is divisible by this are bad. */
  readonly badEvery: number;
  readonly style: Style;
  readonly isCertain: boolean;
  /** Requests above this are too large. */
  readonly maxBytes: number;
  /** Of every so many writes one is committed and its answer lost; another fails. */
  readonly loseEvery: number;
  readonly failEvery: number;
}

const storyOf = fc.record<Story>({
  messages: fc.integer({ min: 1, max: 60 }),
  badEvery: fc.constantFrom(2, 3, 7, 20, 61, 1000),
  style: fc.constantFrom<Style>("first", "each", "none", "beyond"),
  isCertain: fc.boolean(),
  maxBytes: fc.constantFrom(700, 2000, 20_000, 1_000_000),
  loseEvery: fc.constantFrom(3, 10, 1000),
  failEvery: fc.constantFrom(4, 11, 1000),
});

/** A server that reads lines as InfluxDB does: all or nothing. */
class Server {
  readonly taken = new Set<string>();
  readonly #story: Story;
  readonly #bad = new Map<string, boolean>();
  /** Lines that come from now on are good, and what is too large for it is all that a write may fail for. */
  isCalm = false;
  passing = 0;

  constructor(story: Story) {
    this.#story = story;
  }

  isBad(line: string): boolean {
    const isBad = this.#bad.get(line) ?? (!this.isCalm && (this.#bad.size + 1) % this.#story.badEvery === 0);
    this.#bad.set(line, isBad);
    return isBad;
  }

  get seen(): readonly string[] {
    return [...this.#bad.keys()];
  }

  answer({ lines: text, number }: Write): Answer {
    const { style, isCertain, maxBytes, loseEvery, failEvery } = this.#story;
    const lines = text.split("\n");
    const bad = lines.map((line) => this.isBad(line));
    if (number % failEvery === 0 && !this.isCalm) return this.#failedInPassing();
    if (Buffer.byteLength(text) > maxBytes) return tooLarge;
    const named = bad
      .map((isBad, index): RefusedLine => ({ number: index + 1, reason: isBad ? (lines[index] ?? "") : "" }))
      .filter(({ reason }) => reason !== "");
    if (named.length > 0) return refused({ isCertain, lines: this.#shown(named, style, lines.length) });
    for (const line of lines) this.taken.add(line);
    return number % loseEvery === 0 && !this.isCalm ? this.#failedInPassing() : delivered;
  }

  #failedInPassing(): Answer {
    this.passing += 1;
    return stumbled;
  }

  #shown(named: readonly RefusedLine[], style: Style, count: number): readonly RefusedLine[] {
    if (style === "first") return named.slice(0, 1);
    if (style === "each") return named;
    return style === "none" ? [] : [{ number: count + 1, reason: "nobody" }];
  }
}

async function play(bench: Bench, story: Story): Promise<void> {
  const server = new Server(story);
  bench.writer.answer = (write) => server.answer(write);
  bench.commit(story.messages);
  bench.start({ maxLines: 90, maxBytes: 30_000, maxAgeMs: 100 });
  for (let minutes = 0; bench.log.backlog > 0; minutes += 5) {
    assert.ok(minutes < 24 * 60, `${bench.log.backlog} messages are not done within a day`);
    await bench.time.advance(minutes < 30 ? 60_000 : 300_000);
    server.isCalm = minutes >= 30;
    // Another uplink now and then: the delivery in between.
    if (server.isCalm) bench.commit(1);
    await bench.time.advance(1000);
  }
  const dead = bench.dead.map(({ line }) => line);
  assert.equal(new Set(dead).size, dead.length, "each is dead once");
  for (const line of server.seen) {
    const isDead = dead.includes(line);
    assert.notEqual(server.taken.has(line), isDead, `in one place: ${line}`);
    if (isDead && Buffer.byteLength(line) <= story.maxBytes) assert.ok(server.isBad(line), "good lines live");
  }
  for (const { line, message, fault } of bench.dead) {
    assert.ok(message.payload.length > 0);
    const isNamed = story.isCertain && (story.style === "first" || story.style === "each");
    if (isNamed && fault.code === "write_refused") assert.equal(fault.message, line, "with its own reason");
  }
  bench.assertAddsUp();
  assertBounded(bench, server, dead.length);
}

/**
 * Of n lines, each is alone in a write at most once where nothing larger passes: 2n − 1 writes. Each bad line stands
 * alone after log2(90) + 1 halvings, of two writes each, three times over (refused, refused again, and for claims
 * that are given up). Each failure in passing sends again what one batch was halved into.
 */
function assertBounded(bench: Bench, server: Server, deadCount: number): void {
  const levels = 8;
  const n = server.seen.length;
  const most = 2 * n + deadCount * 3 * levels * 2 + server.passing * levels * 2 + 40;
  const { length } = bench.writer.writes;
  assert.ok(length <= most, `${length} requests for ${n} lines, ${deadCount} dead: at most ${most}`);
  assert.ok(bench.time.timersFired < 20 * length + 5000, `${bench.time.timersFired} wake-ups`);
}

test("every good line is delivered, every bad line is a dead letter once, and requests are few", async (t) => {
  await fc.assert(
    fc.asyncProperty(storyOf, async (story) => {
      const bench = new Bench(t);
      try {
        await play(bench, story);
      } finally {
        await bench.end();
      }
    }),
    { numRuns: Number(process.env["RUNS"] ?? 60) },
  );
});
