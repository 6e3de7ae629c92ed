/** Examines systemd as the doctor does, and writes what it found to standard output: "severity check: text". */
import { examineSystemd } from "../../src/doctor/systemd.ts";

const examination = examineSystemd({
  daemon: async () => undefined,
  dataDir: process.argv[2] ?? "/var/lib/flightline",
  clock: { ntp: "require", patienceMs: 900_000 },
  peers: { brokers: ["mqtt://127.0.0.1:1883"], databases: [] },
});
await examination(({ severity, check, text }) => {
  process.stdout.write(`${severity} ${check}: ${text}\n`);
}, new AbortController().signal);
