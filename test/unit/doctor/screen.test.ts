import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DoctorScreen, type ScreenOptions } from "../../../src/cli/doctor-screen.ts";
import { colours, noColours } from "../../../src/cli/status-layout.ts";
import { type Shown, summarise } from "../../../src/doctor/verdict.ts";

interface Drawn {
  readonly screen: DoctorScreen;
  readonly text: () => string;
}

function draw(changes: Partial<ScreenOptions> = {}): Drawn {
  let text = "";
  const out = (more: string): void => {
    text += more;
  };
  const screen = new DoctorScreen({ out, paint: noColours, width: undefined, canErase: false, ...changes });
  return { screen, text: () => text };
}

const found: readonly (readonly [Shown, string])[] = [
  [{ part: "disk", check: "disk.space", severity: "ok", text: "3 GiB free", code: "unsaid" }, "disk"],
  [
    {
      part: "network",
      check: "network",
      severity: "failure",
      text: "no DNS",
      hint: "see it",
      code: "dns_silent",
    },
    "network",
  ],
  [
    {
      part: "broker main",
      check: "broker.main.name",
      severity: "failure",
      text: "no name",
      hint: "unsaid",
      code: "name_lookup_failed",
      behind: "network",
    },
    "broker.main",
  ],
  [
    { part: "broker main", check: "broker.main.a_long_label", severity: "skipped", text: "not tried" },
    "broker.main",
  ],
  [
    { part: "influxdb main", check: "influxdb.main.version", severity: "warning", text: "old" },
    "influxdb.main",
  ],
];

function showAll({ screen }: Drawn): void {
  for (const [finding, id] of found) screen.show(finding, id);
  screen.end(summarise(found.map(([finding]) => finding)), 3210);
}

function readable({ text }: Drawn): string {
  return text().replaceAll("\u001b", "ESC");
}

describe("the screen", () => {
  test("has a heading for each part, a mark for each severity, hints below and the verdict last", () => {
    const drawn = draw();
    showAll(drawn);
    assert.equal(
      drawn.text(),
      [
        "Disk",
        "  ok       space           3 GiB free",
        "",
        "Network",
        "  FAILURE  network         no DNS [dns_silent]",
        "                           → see it",
        "",
        "Broker main",
        "  FAILURE  name            no name [name_lookup_failed]",
        "  skipped  a_long_label    not tried",
        "",
        "Influxdb main",
        "  warning  version         old",
        "",
        "1 failure (1 more behind it, 1 warning, 1 ok, 1 skipped; 3.2 s)",
        "",
      ].join("\n"),
    );
  });

  test("what is skipped for one reason is one line, and for another one another", () => {
    const { screen, text } = draw();
    const skip = (name: string, why: string, part = "a"): void =>
      screen.show({ part, check: `${part}.${name}`, severity: "skipped", text: why }, part);
    for (const name of ["tls", "token"]) skip(name, "not tried: no connection");
    skip("clock", "not known");
    skip("tls", "not known", "b");
    skip("alpn", "not known", "b");
    screen.end(summarise([]), 0);
    assert.deepEqual(text().split("\n").slice(0, -2), [
      "A",
      "  skipped  2 checks        not tried: no connection (tls, token)",
      "  skipped  clock           not known",
      "",
      "B",
      "  skipped  2 checks        not known (tls, alpn)",
      "",
    ]);
  });

  test("each severity has a colour on a terminal; what stands behind another is faint", () => {
    const drawn = draw({ paint: colours });
    showAll(drawn);
    assert.deepEqual(
      [...readable(drawn).matchAll(/^ {2}ESC\[(\d+)m(\w+?)ESC/gm)].map(([, colour, word]) => [colour, word]),
      [
        ["32", "ok"],
        ["31", "FAILURE"],
        ["2", "FAILURE"],
        ["2", "skipped"],
        ["33", "warning"],
      ],
    );
    assert.match(readable(drawn), /ESC\[31m1 failure .*ESC\[0m\n$/);
  });

  test("lines are broken for a terminal, under what they say, and not elsewhere", () => {
    const text = "word ".repeat(30).trim();
    const finding: Shown = { part: "p", check: "p.x", severity: "failure", text, hint: text };
    const [narrow, endless] = [draw({ width: 70 }), draw()];
    for (const { screen } of [narrow, endless]) screen.show(finding, "p");
    const lines = narrow.text().trimEnd().split("\n");
    assert.ok(lines.length > 6 && lines.every((line) => line.length <= 70), narrow.text());
    assert.ok(lines.slice(2).every((line) => line.startsWith(" ".repeat(27))));
    assert.equal(endless.text().trimEnd().split("\n").length, 3);
  });

  test("what is from elsewhere cannot move the cursor", () => {
    const { screen, text } = draw();
    const evil = "\u001b[2Jx\ny";
    screen.show({ part: evil, check: evil, severity: "failure", text: evil, hint: evil }, "p");
    assert.equal(text().trimEnd().split("\n").length, 3);
    assert.ok(!text().includes("\u001b"));
  });

  test("what is waited for stands there until the next line, on a terminal only", () => {
    const terminal = draw({ width: 20, canErase: true });
    terminal.screen.wait(["broker main", "influxdb main"]);
    assert.equal(terminal.text(), "  … broker main, i…");
    const [[finding, id] = assert.fail("there is one")] = found;
    terminal.screen.show(finding, id);
    assert.ok(
      terminal.text().startsWith("  … broker main, i…\r\u001b[KDisk\n"),
      JSON.stringify(terminal.text()),
    );
    const shown = terminal.text();
    terminal.screen.wait([]);
    terminal.screen.clear();
    assert.equal(terminal.text(), shown);
    const pipe = draw();
    pipe.screen.wait(["broker main"]);
    assert.equal(pipe.text(), "");
  });
});

describe("the verdict", () => {
  const verdict = (...severities: readonly Shown["severity"][]): string => {
    const { screen, text } = draw();
    const all = severities.map((severity, index): Shown => ({
      part: "p",
      check: `p.${index}`,
      severity,
      text: "",
    }));
    screen.end(summarise(all), 940);
    return text().trim();
  };

  test("says what it comes to", () => {
    assert.equal(verdict("ok", "ok", "skipped"), "All is well (2 ok, 1 skipped; 940 ms)");
    assert.equal(verdict("ok", "warning"), "It works, with 1 warning (1 ok; 940 ms)");
    assert.equal(verdict("ok", "warning", "warning", "failure"), "1 failure (2 warnings, 1 ok; 940 ms)");
    assert.equal(verdict("ok", "failure", "failure"), "2 failures; begin with p.1 (1 ok; 940 ms)");
  });
});
