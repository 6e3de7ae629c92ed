/** Whether the unit lets its user write the journal's directory. Pure. */
import { join } from "node:path";
import type { Finding } from "./finding.ts";
import { pathList, type Shown } from "./systemd-show.ts";

export interface DirectoryOwner {
  readonly dataDir: string;
  /** Undefined: it is not there, or not to be seen. */
  readonly owner: string | undefined;
  /** Of the owner; a unit may name its user by number. */
  readonly ownerId?: number | undefined;
}

export function judgeUnitDirectory(shown: Shown, { dataDir, owner, ownerId }: DirectoryOwner): Finding {
  const check = "systemd.directory";
  const user = shown.User === "" ? "root" : shown.User;
  const barrier = barrierTo(shown, dataDir);
  if (barrier !== undefined) return { check, severity: "failure", code: "journal_unwritable", ...barrier };
  const made = isStateDirectory(shown, dataDir);
  // systemd gives a directory that StateDirectory= names to the user at each start.
  if (owner !== undefined && owner !== user && String(ownerId) !== user && user !== "root" && !made) {
    return {
      check,
      severity: "failure",
      text: `${dataDir} belongs to ${owner}, and the unit runs as ${user}`,
      hint: `sudo chown -R ${user}: ${dataDir}`,
      code: "journal_unwritable",
    };
  }
  if (owner === undefined && !made && user !== "root") {
    return {
      check,
      severity: "warning",
      text: `${dataDir} cannot be seen from here, and StateDirectory= does not make it`,
      hint: `sudo install -d -m 750 -o ${user} -g ${user} ${dataDir}`,
    };
  }
  const how = made ? "StateDirectory= gives it to" : "it is open to";
  return { check, severity: "ok", text: `${dataDir}: ${how} the user ${user}` };
}

function isStateDirectory({ StateDirectory }: Shown, dataDir: string): boolean {
  return pathList(StateDirectory).some((name) =>
    isWithin(dataDir, join("/var/lib", name.split(":")[0] ?? "")),
  );
}

function barrierTo(shown: Shown, dataDir: string): Pick<Finding, "text" | "hint"> | undefined {
  const { ProtectSystem, ProtectHome, PrivateTmp } = shown;
  const open = pathList(shown.ReadWritePaths).some((path) => isWithin(dataDir, path));
  const homes = ["/home", "/root", "/run/user"];
  if (isTrue(ProtectHome, ["yes", "tmpfs"]) && homes.some((home) => isWithin(dataDir, home))) {
    return {
      text: `${dataDir} is among the homes, which the unit does not see (ProtectHome=${ProtectHome})`,
      hint: "set [journal] dir to /var/lib/flightline",
    };
  }
  if (PrivateTmp === "yes" && ["/tmp", "/var/tmp"].some((tmp) => isWithin(dataDir, tmp))) {
    return {
      text: `${dataDir} is among the temporary files, of which the unit has its own (PrivateTmp=yes): they go at each stop`,
      hint: "set [journal] dir to /var/lib/flightline",
    };
  }
  if (open || isStateDirectory(shown, dataDir) || !isProtected(ProtectSystem, dataDir)) return undefined;
  return {
    text: `the unit may not write to ${dataDir} (ProtectSystem=${ProtectSystem})`,
    hint: `sudo systemctl edit flightline: [Service] ReadWritePaths=${dataDir}`,
  };
}

/** systemd.exec(5). */
function isProtected(protectSystem: string, dataDir: string): boolean {
  if (protectSystem === "strict") return !["/dev", "/proc", "/sys"].some((path) => isWithin(dataDir, path));
  const system = ["/usr", "/boot", "/efi", ...(protectSystem === "full" ? ["/etc"] : [])];
  return isTrue(protectSystem, ["yes", "full"]) && system.some((path) => isWithin(dataDir, path));
}

function isTrue(value: string, ways: readonly string[]): boolean {
  return ways.includes(value);
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
