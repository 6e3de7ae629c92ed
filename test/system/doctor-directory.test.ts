/** What the doctor says of the directory of a unit, against what a real systemd lets that unit do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeUnitDirectory } from "../../src/doctor/systemd-directory.ts";
import { parseShown } from "../../src/doctor/systemd-show.ts";
import { runInMachine } from "../support/machine.ts";

interface Case {
  readonly dir: string;
  readonly settings: readonly string[];
  readonly isWritable: boolean;
}

const strict = "ProtectSystem=strict";
const cases: readonly Case[] = [
  { dir: "/srv/a", settings: [strict], isWritable: false },
  { dir: "/srv/a", settings: [strict, "ReadWritePaths=/srv"], isWritable: true },
  { dir: "/srv/a", settings: ["ReadOnlyPaths=/srv", "ReadWritePaths=/srv/a"], isWritable: true },
  { dir: "/srv/a", settings: ["ReadOnlyPaths=/srv/a", "ReadWritePaths=/srv"], isWritable: false },
  { dir: "/srv/a", settings: ["ReadOnlyPaths=/srv/a", "ReadWritePaths=/srv/a"], isWritable: false },
  { dir: "/srv/a/b", settings: ["InaccessiblePaths=-/srv/a", "ReadWritePaths=/srv/a/b"], isWritable: false },
  { dir: "/srv/a", settings: ["ReadOnlyPaths=/srv/a", "BindPaths=/srv/a"], isWritable: false },
  { dir: "/home/pi", settings: [strict], isWritable: true },
  { dir: "/home/pi", settings: ["ProtectHome=read-only"], isWritable: false },
  { dir: "/home/pi", settings: ["ProtectHome=read-only", "ReadWritePaths=/home/pi"], isWritable: true },
  { dir: "/home/pi", settings: ["ProtectHome=yes", "ReadWritePaths=/home/pi"], isWritable: false },
  { dir: "/home/pi", settings: ["ProtectHome=tmpfs", "ReadWritePaths=-/home/pi"], isWritable: false },
  { dir: "/home/pi", settings: ["ProtectHome=tmpfs", "BindPaths=/home/pi:/home/pi"], isWritable: true },
  { dir: "/home/pi", settings: ["ProtectHome=yes", "BindPaths=/home/pi"], isWritable: false },
  { dir: "/var/tmp/a", settings: ["PrivateTmp=yes"], isWritable: false },
  { dir: "/var/cache/a", settings: [strict, "CacheDirectory=a"], isWritable: true },
  { dir: "/usr/share", settings: ["ProtectSystem=yes"], isWritable: false },
  { dir: "/etc", settings: ["ProtectSystem=yes"], isWritable: true },
  { dir: "/etc", settings: ["ProtectSystem=full"], isWritable: false },
];

/** Each unit writes a file, which counts when it is there from outside too. */
function script(): string {
  const lines = cases.flatMap(({ dir, settings }, index) => {
    const unit = `probe-${index}.service`;
    const file = `${dir}/probe-${index}`;
    const service = ["Type=oneshot", ...settings, `ExecStart=-/bin/touch ${file}`];
    const text = ["[Service]", ...service].join("\\n");
    return [
      `mkdir -p ${dir}; printf '${text}\\n' >/run/systemd/system/${unit}`,
      `systemctl start ${unit}; systemctl show ${unit} >/results/show-${index}`,
      `test -e ${file} && touch /results/written-${index}`,
    ];
  });
  return [...lines, "exit 0"].join("\n");
}

test("a directory is open or not as systemd has it, setting by setting", async (t) => {
  const machine = await runInMachine(t, { command: ["bash", "-c", script()], timeoutMs: 60_000 });
  if (machine === undefined) return;
  assert.equal(machine.exitCode, 0, `${machine.output}\n${machine.journal}`);
  for (const [index, { dir, settings, isWritable }] of cases.entries()) {
    const what = `${dir} with ${settings.join(", ")}`;
    const shown = parseShown(machine.result(`show-${index}`) ?? assert.fail(`no unit for ${what}`));
    assert.equal(machine.result(`written-${index}`) !== undefined, isWritable, `systemd: ${what}`);
    const { severity, text } = judgeUnitDirectory(shown, { dataDir: dir, owner: "root", ownerId: 0 });
    assert.equal(severity, isWritable ? "ok" : "failure", `${what}: ${text}`);
  }
});
