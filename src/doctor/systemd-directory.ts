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
  /** Of `dataDir` and of `settingPaths`, those that lead elsewhere by symbolic links, which systemd follows, and where. */
  readonly realPaths?: ReadonlyMap<string, string>;
}

/** What a setting makes of a path and of all below it. */
interface Place {
  readonly path: string;
  readonly kind: "hidden" | "bound" | "empty" | "readOnly" | "writable";
  /** "ReadOnlyPaths=/srv". */
  readonly setting: string;
}

/** Of several for one path the strictest counts (`drop_duplicates` in systemd's namespace.c). */
const precedence = ["hidden", "readOnly", "bound", "empty", "writable"];

/** Which systemd makes for the user of the unit, and gives to it at each start. */
const madeIn = {
  StateDirectory: "/var/lib",
  CacheDirectory: "/var/cache",
  LogsDirectory: "/var/log",
  RuntimeDirectory: "/run",
} as const;
const homes = ["/home", "/root", "/run/user"];
const away = "set [journal] dir to /var/lib/flightline";

export function judgeUnitDirectory(shown: Shown, facts: DirectoryOwner): Finding {
  const check = "systemd.directory";
  const { dataDir, owner, ownerId } = facts;
  const user = shown.User === "" ? "root" : shown.User;
  const barrier = barrierTo(shown, facts);
  if (barrier !== undefined) return { check, severity: "failure", code: "journal_unwritable", ...barrier };
  const made = makerOf(shown, facts);
  // It may belong to somebody else until then.
  const isMade = made !== undefined;
  if (owner !== undefined && owner !== user && String(ownerId) !== user && user !== "root" && !isMade) {
    return {
      check,
      severity: "failure",
      text: `${dataDir} belongs to ${owner}, and the unit runs as ${user}`,
      hint: `sudo chown -R ${user}: ${dataDir}`,
      code: "journal_unwritable",
    };
  }
  if (owner === undefined && !isMade && user !== "root") {
    return {
      check,
      severity: "warning",
      text: `${dataDir} cannot be seen from here, and StateDirectory= does not make it`,
      hint: `sudo install -d -m 750 -o ${user} -g ${user} ${dataDir}`,
    };
  }
  const how = isMade ? `${made}= gives it to` : "it is open to";
  return { check, severity: "ok", text: `${dataDir}: ${how} the user ${user}` };
}

/** The paths that the settings name. */
export function settingPaths(shown: Shown): string[] {
  return placesOf(shown).map(({ path }) => path);
}

function makerOf(shown: Shown, { dataDir, realPaths }: DirectoryOwner): string | undefined {
  const real = (path: string): string => realPaths?.get(path) ?? path;
  return madeBy(shown).find(({ path }) => isWithin(real(dataDir), real(path)))?.name;
}

function madeBy(shown: Shown): { readonly name: string; readonly path: string }[] {
  return Object.entries(madeIn).flatMap(([name, above]) =>
    pathList(shown[name as keyof typeof madeIn]).map((path) => ({
      name,
      path: join(above, path.split(":")[0] ?? ""),
    })),
  );
}

function barrierTo(
  shown: Shown,
  { dataDir, realPaths }: DirectoryOwner,
): Pick<Finding, "text" | "hint"> | undefined {
  const real = (path: string): string => realPaths?.get(path) ?? path;
  const dir = real(dataDir);
  const above = placesOf(shown)
    .map((place) => ({ ...place, path: real(place.path) }))
    .filter(({ path }) => isWithin(dir, path));
  // Of what cannot be seen nothing below can be opened again.
  const place = above.find(({ kind }) => kind === "hidden") ?? decisive(above);
  if (place === undefined || place.kind === "bound" || place.kind === "writable") return undefined;
  const { kind, setting, path } = place;
  const where = dir === dataDir ? dataDir : `${dataDir} (${dir})`;
  if (kind === "hidden")
    return { text: `the unit does not see ${where} (${setting})`, hint: hintOf(shown, place) };
  if (kind === "empty") {
    const text = `${where} is in ${path}, of which the unit has its own (${setting}): what it writes there is gone at each stop`;
    return { text, hint: away };
  }
  const hint =
    path === dir && setting.startsWith("ReadOnlyPaths=")
      ? hintOf(shown, place)
      : `sudo systemctl edit ${shown.Id}: [Service] ReadWritePaths=${dir}`;
  return { text: `the unit may not write to ${where} (${setting})`, hint };
}

function hintOf({ Id }: Shown, { setting }: Place): string {
  return setting.startsWith("Protect")
    ? away
    : `${away}, or take that path out: systemctl cat ${Id} shows where`;
}

/** The innermost, but in a folder that is empty for the unit nothing can be opened: only a mount brings something there. */
function decisive(places: readonly Place[]): Place | undefined {
  const rank = ({ kind }: Place): number => precedence.indexOf(kind);
  const inmost = places.toSorted((a, b) => b.path.length - a.path.length || rank(a) - rank(b));
  const ground = inmost.find(({ kind }) => kind === "empty" || kind === "bound");
  return ground?.kind === "empty" ? ground : inmost[0];
}

/** systemd.exec(5); that homes stay writable beside ProtectSystem=strict, its namespace.c. */
function placesOf(shown: Shown): Place[] {
  const { ProtectSystem, ProtectHome, PrivateTmp } = shown;
  const ofSystem = `ProtectSystem=${ProtectSystem}`;
  const isStrict = ProtectSystem === "strict";
  const hasOwnTmp = PrivateTmp !== "no" && PrivateTmp !== "";
  const ofHomes = homeKinds[ProtectHome] ?? (isStrict ? "writable" : undefined);
  return [
    ...protectedBy(ProtectSystem).map((path) => placeOf("readOnly", path, ofSystem)),
    ...(isStrict ? ["/dev", "/proc", "/sys"] : []).map((path) => placeOf("writable", path, ofSystem)),
    ...homes.flatMap((path) =>
      ofHomes === undefined ? [] : placeOf(ofHomes, path, `ProtectHome=${ProtectHome}`),
    ),
    ...(hasOwnTmp ? ["/tmp", "/var/tmp"] : []).map((path) =>
      placeOf("empty", path, `PrivateTmp=${PrivateTmp}`),
    ),
    ...listed(shown, "InaccessiblePaths", "hidden"),
    ...listed(shown, "ReadOnlyPaths", "readOnly"),
    ...listed(shown, "ReadWritePaths", "writable"),
    // SOURCE:DESTINATION:OPTION.
    ...pathList(shown.BindPaths).map((bind) =>
      placeOf("bound", bind.split(":")[1] ?? bind, `BindPaths=${bind}`),
    ),
    ...madeBy(shown).map(({ name, path }) => placeOf("writable", path, `${name}=`)),
  ];
}

const homeKinds: Readonly<Record<string, Place["kind"]>> = {
  yes: "hidden",
  tmpfs: "empty",
  "read-only": "readOnly",
};

function listed(
  shown: Shown,
  name: "InaccessiblePaths" | "ReadOnlyPaths" | "ReadWritePaths",
  kind: Place["kind"],
): Place[] {
  return pathList(shown[name]).map((path) => placeOf(kind, path, `${name}=${path}`));
}

function placeOf(kind: Place["kind"], path: string, setting: string): Place {
  return { kind, path, setting };
}

function protectedBy(protectSystem: string): readonly string[] {
  const system = ["/usr", "/boot", "/efi"];
  return { strict: ["/"], full: [...system, "/etc"], yes: system }[protectSystem] ?? [];
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
