/** Examines the journal in the directory argv[2], and writes the findings as JSON. */
import { examineJournal } from "../../src/doctor/journal.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { journalConfig } from "../unit/journal/fixture.ts";

const findings: Finding[] = [];
const examination = examineJournal(journalConfig(process.argv[2] ?? ""), { daemon: async () => undefined });
await examination((finding) => findings.push(finding), new AbortController().signal);
process.stdout.write(JSON.stringify(findings));
