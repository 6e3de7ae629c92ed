/**
 * Whether the user that systemd runs Flightline as may read the configuration and the files that it names: root, who
 * looks, may read all of them. It is tried by a process with that user's rights, for modes do not tell all (ACLs).
 */
import { execFile } from "node:child_process";
import { realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { NamedFile } from "../config/named-files.ts";
import { defined } from "../lib/schema.ts";
import type { Finding } from "./finding.ts";

export interface AccessDeps {
  /** The file that has been loaded. */
  readonly mainFile: string;
  /** It, those of `conf.d` beside it and those that they name. */
  readonly files: readonly NamedFile[];
  /** Instead of the program of that name in PATH. */
  readonly systemctl?: string | undefined;
  readonly isRoot?: boolean;
}

const check = "configuration.access";
const unit = "flightline.service";
const stepMs = 3000;

/** Nothing where it cannot be told: without root or systemd, or of a configuration that the service does not read. */
export async function examineAccess(deps: AccessDeps, signal: AbortSignal): Promise<Finding[]> {
  const { mainFile, files, isRoot = process.geteuid?.() === 0, systemctl = "systemctl" } = deps;
  if (!isRoot) return [];
  const names = ["User", "Group", "SupplementaryGroups", "ExecStart"];
  const properties = await run(
    systemctl,
    ["show", "--no-pager", `--property=${names.join(",")}`, "--", unit],
    signal,
  );
  const [user = "", group = "", groups = "", start = ""] = names.map((name) =>
    valueOf(properties ?? "", name),
  );
  if (user === "" || user === "root" || !start.split(" ").includes(resolve(mainFile))) return [];
  const wanted = files.map((file) => ({ file, needs: needsOf(file.path) }));
  const home = dirname(resolve(mainFile));
  const confD = join(home, "conf.d");
  if (files.some(({ path }) => dirname(path) === confD)) {
    wanted.push({ file: { path: confD, key: undefined }, needs: needsOf(confD, "rx") });
  }
  const account = { user, group, groups };
  const denied = await deniedTo(account, [...new Set(wanted.flatMap(({ needs }) => needs))], signal);
  if (denied === undefined) return [];
  const failed = wanted.flatMap(({ file, needs }) => {
    const need = needs.find((one) => denied.has(one));
    return need === undefined ? [] : [{ file, need }];
  });
  if (failed.length > 0) return failed.map(({ file, need }) => unreadable(file, need, account, home));
  const text = `the service runs as ${user}, which may read all files of the configuration`;
  return [{ check, severity: "ok", text, figures: { user, files: files.length } }];
}

/** `x:DIRECTORY` from the root on, then the file itself: in this order, the first that is denied is what to mend. */
function needsOf(path: string, itself: "r" | "rx" = "r"): string[] {
  const real = realPath(path);
  const above: string[] = [];
  for (let at = dirname(real); !above.includes(at); at = dirname(at)) above.push(at);
  // Links on the way there may lead through directories of their own.
  return [
    ...above.toReversed().map((directory) => `x:${directory}`),
    `${itself}:${real}`,
    `${itself}:${path}`,
  ];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

interface Account {
  readonly user: string;
  readonly group: string;
  /** Names, with blanks between them. */
  readonly groups: string;
}

/** The groups of the account and those of the unit, as systemd has it; then `test` of each need. */
const script = `u=$1 g=$2 s=$3; shift 3
exec setpriv --reuid="$u" --regid="\${g:-$(id -g "$u")}" --groups="$(id -G "$u" | tr ' ' ,)\${s:+,$s}" -- /bin/sh -c '
echo asked
for need; do
  path=\${need#*:}
  case $need in
    r:*) test -r "$path" ;;
    x:*) test -x "$path" ;;
    *) test -r "$path" && test -x "$path" ;;
  esac || printf "%s\\0" "$need"
done' sh "$@"`;

/** Undefined: it could not be tried. */
async function deniedTo(
  { user, group, groups }: Account,
  needs: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string> | undefined> {
  const list = groups.trim().replaceAll(/\s+/g, ",");
  const said = await run("/bin/sh", ["-c", script, "sh", user, group, list, ...needs], signal);
  const asked = "asked\n";
  return said?.startsWith(asked) === true ? new Set(said.slice(asked.length).split("\0")) : undefined;
}

function unreadable({ path, key }: NamedFile, need: string, { user, group }: Account, home: string): Finding {
  const [right = "", ...rest] = need.split(":");
  const barrier = rest.join(":");
  const what = key === undefined ? path : `${key}: ${path}`;
  const why = right === "x" ? `: ${barrier} may not be entered` : "";
  const owner = group === "" ? `"$(id -g ${user})"` : group;
  // What is above belongs to others, who have a reason for its mode.
  const isOurs = right !== "x" || barrier === home || barrier.startsWith(`${home}/`);
  const hint = isOurs
    ? `sudo chgrp ${owner} ${barrier} && sudo chmod ${right === "r" ? "640" : "750"} ${barrier}`
    : `sudo install -m 640 -g ${owner} ${path} ${home}/, and name that copy in ${key ?? "the unit"}`;
  return {
    check,
    severity: "failure",
    text: `${what} cannot be read by ${user}, which the service runs as${why}`,
    hint,
    figures: { file: path, user, ...defined({ key }) },
  };
}

/** Its standard output; undefined: it failed. */
async function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  return await new Promise((settle) => {
    const options = {
      cwd: "/",
      timeout: stepMs,
      killSignal: "SIGKILL",
      maxBuffer: 1024 * 1024,
      encoding: "utf8",
      signal,
      env: { ...process.env, NOTIFY_SOCKET: undefined, LC_ALL: "C" },
    } as const;
    execFile(program, args, options, (error, stdout) => settle(error === null ? stdout : undefined));
  });
}

function valueOf(shown: string, name: string): string {
  const line = shown.split("\n").find((one) => one.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? "";
}
