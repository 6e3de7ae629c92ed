/**
 * The InfluxDB stand-in in a process of its own, for proof-influx.ts: what it has answered and committed does not
 * hang on the process that publishes and judges. argv[2] is the JSON of its options; requests and answers go over
 * the channel of fork(2), and the process ends when that closes.
 */
import { createHash } from "node:crypto";
import { Random } from "../../src/sandbox/devices/random.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxFigures, InfluxOptions, InfluxOrder, InfluxTrouble } from "./proof-influx.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as InfluxOptions;
/** Deduplication ids in the order of their first commit. */
const written = new Set<string>();
/** Lines that were refused, however often. */
const refused = new Set<string>();
let answered = new Set<string>();
/** Killed in the very turn in which an answer was handed to the system. */
let victim: number | undefined;

const standIn = await startInfluxStandIn({
  ...options,
  observe: (phase, { lines }) => {
    const ids = lines.flatMap((line) => /^uplink,.* deduplication_id="([^"]*)"/.exec(line)?.[1] ?? []);
    if (phase === "committed") for (const id of ids) written.add(id);
    if (phase !== "answered") return;
    if (victim !== undefined && ids.length > 0) {
      killVictim(victim);
      victim = undefined;
    }
    for (const id of ids) answered.add(id);
  },
});

function killVictim(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It was killed by something else meanwhile.
  }
}

function trouble({ loseAnswers, unwell, resets, refuseLines }: InfluxTrouble, seed: number): void {
  const random = new Random(seed, 1);
  standIn.faults.byChance = () => {
    const chance = random.between(0, 1);
    if (chance < loseAnswers) return { kind: "lose_answer" };
    if (chance < loseAnswers + resets) return { kind: "reset" };
    if (chance >= loseAnswers + resets + unwell) return undefined;
    return random.between(0, 1) < 0.5
      ? { kind: "answer", status: 503, headers: { "retry-after": "1" }, body: "not now" }
      : { kind: "answer", status: 500, body: "write buffer error: error from wal: planted" };
  };
  // By its bytes: a line that is refused once is refused for ever, as InfluxDB does it.
  standIn.faults.refuseLine = (line) => {
    if (!/^(?:uplink|uplink_rx|telemetry_\w+),/.test(line)) return undefined;
    const draw = createHash("sha1").update(`${seed} ${line}`).digest().readUInt32BE() / 2 ** 32;
    if (draw >= refuseLines) return undefined;
    refused.add(line);
    return "planted: this line is not to my taste";
  };
}

function figures(): InfluxFigures {
  const { seen } = standIn.faults;
  return {
    written: written.size,
    answered: [...answered],
    answersLost: seen.lose_answer,
    resets: seen.reset,
    unwell: seen.answer,
    refusedLines: refused.size,
    writes: standIn.counters.writes,
    repeated: standIn.counters.linesRepeated,
  };
}

process.on("message", (order: InfluxOrder) => {
  if (order.what === "trouble") trouble(order.trouble, order.seed);
  if (order.what === "well") standIn.faults.clear();
  if (order.what === "kill after an answer") victim = order.pid;
  if (order.what === "forget answers") {
    answered = new Set();
    victim = undefined;
  }
  process.send?.({ id: order.id, figures: figures() });
});
process.on("disconnect", () => {
  process.exit(0);
});
process.send?.({ port: standIn.port });
