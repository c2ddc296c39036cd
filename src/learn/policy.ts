/** Computes the smallest policy that allows a task's observed accesses. Pure. */

import { asksForTerminal } from "../effects/landlock/probes.ts";
import type { Access, NamedAccess } from "../effects/observe/access.ts";
import { isAtOrBelow, isInProc, namesOf } from "../effects/paths/paths.ts";
import { identityPaths, linkFolders } from "../effects/unveil/defaultPaths.ts";
import {
  collapsed,
  folderOf,
  isNothing,
  mayStandForItsFiles,
  merged,
  type PathRight,
  procPath,
  rightsAt,
  whyForbidden,
  without,
} from "../effects/unveil/pathRights.ts";
import { modeOf } from "../effects/unveil/unveil.ts";
import { learnEgress } from "./egress.ts";

/** The host's files, as far as a policy depends on them. */
export interface HostView {
  /**
   * Follows symlinks.
   * @returns undefined for a path that leads nowhere; a result without an end for a path into /proc
   */
  follow(path: string): Followed | undefined;
  /** The dynamic linker that a program requests: `PT_INTERP` of elf(5). */
  linkerOf(program: string): string | undefined;
  /** Home folders of the host's users. */
  readonly homes: readonly string[];
}

export interface Followed {
  readonly links: readonly { readonly path: string }[];
  readonly end: { readonly path: string } | undefined;
}

/** The task's policy before anything was learned. */
export interface PresentPolicy {
  /** Paths as the entries name them, including default paths and the task's own folders. */
  readonly paths: readonly PathRight[];
  /** Folders of the task's allocations. No learned entry can open paths in them. */
  readonly allocations: readonly string[];
}

export interface Learned {
  /** Entries that the task needs in addition to the present ones. */
  readonly unveil: readonly PathRight[];
  /** Entries for paths that the task only looked up, and may not need. */
  readonly lookedAt: readonly PathRight[];
  /** Whether the task needs `/etc/passwd` or `/etc/group`. */
  readonly identityFiles: boolean;
  /** Paths that the task used, but that no learned policy opens. */
  readonly leftOut: readonly (PathRight & { readonly why: string })[];
  /** TCP ports, in ascending order. */
  readonly connectTcp: readonly number[];
  readonly bindTcp: readonly number[];
  /** Entries of `egress`. */
  readonly egress: readonly string[];
  /** Numbers of the capabilities that the task used. */
  readonly usedCapabilities: readonly number[];
  /** Numbers of other capabilities, which the kernel refused to the task. */
  readonly refusedCapabilities: readonly number[];
  /** Names that the task looked for and did not find. */
  readonly missing: readonly string[];
}

/** Computes what a task needs in addition to its present policy. */
export function learnPolicy(accesses: readonly Access[], present: PresentPolicy, host: HostView): Learned {
  const open = opened(present.paths, host);
  const needed = needs(accesses, host)
    .map(({ path, mode }) => ({ path: installationOf(path, mode, host.homes), mode }))
    .map(({ path, mode }) => ({ path, mode: without(mode, rightsAt(path, open)) }))
    .filter(({ mode }) => !isNothing(mode));
  const identity = needed.filter(({ path, mode }) => isIdentityFile(path) && !mode.write);
  const whyNot = (path: string) =>
    present.allocations.some((folder) => isAtOrBelow(path, folder))
      ? "is in the allocation's folder, outside of local, secrets, tmp and the shared folder: set work_dir"
      : (whyForbidden(path, host.homes) ?? whyOnlyHere(path));
  const leftOut = merged(needed).flatMap((right) => {
    const why = whyNot(right.path);
    return why === undefined ? [] : [{ ...right, why }];
  });
  const real = collapsed(
    needed.filter((right) => !identity.includes(right) && whyNot(right.path) === undefined),
    host.homes,
  );
  const named = accesses.filter((access) => access.kind === "named");
  const unveil = namedAs(
    real,
    named.filter(({ use, errno }) => use !== "lookUp" && errno === 0),
    present.paths,
    host,
  );
  return {
    unveil,
    lookedAt: lookedAt(
      named.filter(({ path }) => !present.allocations.some((folder) => isAtOrBelow(path, folder))),
      [...present.paths, ...unveil],
      host,
    ),
    identityFiles: identity.length > 0,
    leftOut,
    ...ports(accesses),
    egress: learnEgress(accesses),
    ...capabilities(accesses),
    missing: missing(named, open),
  };
}

/**
 * The folder of a versioned installation around a file that was only read or executed, such as
 * `/usr/share/perl` for `/usr/share/perl/5.40.1/strict.pm`: the next version has other paths. Other files
 * are returned unchanged.
 */
function installationOf(path: string, mode: PathRight["mode"], homes: readonly string[]): string {
  if (mode.write || mode.create || isInProc(path) || isAtOrBelow(path, "/sys")) return path;
  const [around] = /^.*?(?=\/v?\d+(?:\.\d+)+(?:\/|$))/.exec(path) ?? [];
  return around === undefined || !mayStandForItsFiles(around, homes) ? path : around;
}

/** Why an entry for the path would be of no use on another host; undefined if it may be. */
function whyOnlyHere(path: string): string | undefined {
  const isDevice = /^\/sys\/(?:devices\/|dev\/|block\/.|class\/[^/]+\/.)/.test(path);
  const isGeneral = /^\/sys\/devices\/system(?:\/|$)/.test(path);
  return isDevice && !isGeneral ? "names a device of this host" : undefined;
}

/** The rights that accesses need, on paths without symlinks. */
function needs(accesses: readonly Access[], host: HostView): PathRight[] {
  return accesses.flatMap((access): PathRight[] => {
    switch (access.kind) {
      case "opened": {
        const { path, read, write, created } = access;
        return [
          right(path, `${read ? "r" : ""}${write ? "w" : ""}`),
          ...(created ? [right(folderOf(path), "c")] : []),
        ];
      }
      case "executed": {
        const linker = host.linkerOf(access.path);
        return [right(access.path, "rx"), ...(linker === undefined ? [] : at(linker, "rx", host))];
      }
      case "controlled":
        return asksForTerminal(access.request) ? [] : [right(access.path, "w")];
      case "named":
        return needsOfName(access, host);
      default:
        return [];
    }
  });
}

function needsOfName({ use, path, errno }: NamedAccess, host: HostView): PathRight[] {
  // Any error but ENOENT means that the socket was reached, even if nobody listens on it.
  if (use === "connect" && errno !== ENOENT) return at(path, "w", host);
  if (errno !== 0) return [];
  if (use === "make" || use === "remove") return at(folderOf(trimmed(path)), "c", host);
  if (use === "truncate" || use === "change") return at(path, "w", host);
  return use === "execute" ? at(path, "rx", host) : [];
}

const ENOENT = 2;

function right(path: string, letters: string): PathRight {
  return { path: isInProc(path) ? procPath(path) : path, mode: modeOf(letters) };
}

/** A right on the file to which a name leads; none if the name no longer leads anywhere. */
function at(name: string, letters: string, host: HostView): PathRight[] {
  const followed = host.follow(name);
  if (followed === undefined) return [];
  return [right(followed.end?.path ?? name, letters)];
}

/** The entries, and the same rights on the paths to which the entries' paths lead. */
function opened(entries: readonly PathRight[], host: HostView): PathRight[] {
  return merged(
    entries.flatMap(({ path, mode }) => {
      const end = host.follow(path)?.end?.path;
      return [{ path, mode }, ...(end === undefined ? [] : [{ path: end, mode }])];
    }),
  );
}

function isIdentityFile(path: string): boolean {
  return identityPaths.some((identity) => identity.path === path);
}

/**
 * Adds entries for names whose symlinks would otherwise be missing from the task's root. In this root, the
 * driver makes only the symlinks on the way to an entry's path.
 */
function namedAs(
  real: readonly PathRight[],
  names: readonly NamedAccess[],
  present: readonly PathRight[],
  host: HostView,
): PathRight[] {
  let entries = [...real];
  for (const { path: name, use } of names) {
    const plain = plainName(name);
    const end = host.follow(name)?.end?.path;
    if (plain === undefined || end === undefined || end === plain) continue;
    const all = [...present, ...entries];
    if ((whyForbidden(plain, host.homes) ?? whyOnlyHere(plain)) !== undefined) continue;
    if (linksAreThere(name, all, host)) continue;
    // If no entry opens the file to which the name leads, the name needs no entry.
    if (isNothing(rightsAt(end, opened(all, host)))) continue;
    const own = entries.find(({ path }) => path === end);
    const mode = own?.mode ?? modeOf(use === "execute" ? "rx" : "r");
    entries = merged([...entries.filter((entry) => entry !== own), { path: plain, mode }]);
  }
  return entries;
}

/** Whether a root with these entries has all symlinks on the way to a name. */
function linksAreThere(name: string, entries: readonly PathRight[], host: HostView): boolean {
  const links = host.follow(name)?.links ?? [];
  if (links.length === 0) return true;
  const folders = [...opened(entries, host).map(({ path }) => path), ...linkFolders];
  const crossed = new Set(
    entries.flatMap(({ path }) => host.follow(path)?.links ?? []).map(({ path }) => path),
  );
  return links.every(({ path }) => crossed.has(path) || folders.some((folder) => isAtOrBelow(path, folder)));
}

/** Entries for paths that were only looked up. */
function lookedAt(names: readonly NamedAccess[], entries: readonly PathRight[], host: HostView): PathRight[] {
  const open = opened(entries, host);
  const shown = (path: string) =>
    path === "/" ||
    isInProc(path) ||
    open.some((entry) => isAtOrBelow(path, entry.path) || isAtOrBelow(entry.path, path));
  const hidden = names.flatMap(({ use, path, errno }): PathRight[] => {
    if ((use !== "lookUp" && use !== "open") || errno !== 0) return [];
    const end = host.follow(path)?.end?.path;
    if (end === undefined || (shown(end) && linksAreThere(path, entries, host))) return [];
    const plain = plainName(path) ?? end;
    const linked = linksAreThere(path, entries, host) ? end : plain;
    return isIdentityFile(linked) || (whyForbidden(linked, host.homes) ?? whyOnlyHere(linked)) !== undefined
      ? []
      : [{ path: installationOf(linked, modeOf("r"), host.homes), mode: modeOf("r") }];
  });
  return collapsed(hidden, host.homes);
}

/** A name in the form of an entry's path: without empty and `.` segments. Undefined for a name with `..`. */
function plainName(name: string): string | undefined {
  const names = namesOf(name);
  return names.includes("..") ? undefined : `/${names.join("/")}`;
}

function trimmed(name: string): string {
  return name.replace(/\/+$/, "");
}

function ports(accesses: readonly Access[]): Pick<Learned, "connectTcp" | "bindTcp"> {
  const of = (kind: "connected" | "bound") =>
    sorted(accesses.flatMap((access) => (access.kind === kind && access.tcp ? [access.port] : [])));
  const bindTcp = of("bound");
  // A task that binds port 0 gets any free port, whose number differs each time. A connection of such a task
  // to a high port most likely goes to this port.
  const isFixed = (port: number) => port > 0 && !(bindTcp.includes(0) && port >= FIRST_FREE_PORT);
  return { connectTcp: of("connected").filter(isFixed), bindTcp };
}

/** Lowest port that the kernel chooses by itself: `ip_local_port_range` of ip(7). */
const FIRST_FREE_PORT = 32_768;

function capabilities(
  accesses: readonly Access[],
): Pick<Learned, "usedCapabilities" | "refusedCapabilities"> {
  const of = (refused: boolean) =>
    sorted(
      accesses.flatMap((access) =>
        access.kind === "capability" && access.refused === refused ? [access.number] : [],
      ),
    );
  const used = of(false);
  const refused = of(true).filter((each) => !used.includes(each) && each !== CAP_SYS_ADMIN);
  return { usedCapabilities: used, refusedCapabilities: refused };
}

/**
 * This capability is ignored. The kernel reserves memory for root, so it checks for the capability at each
 * larger allocation. Such a check says nothing about the task.
 */
const CAP_SYS_ADMIN = 21;

/**
 * Names that were not found. Leaves out names that were found in another folder, because programs look for
 * commands and libraries in several folders.
 */
function missing(names: readonly NamedAccess[], open: readonly PathRight[]): string[] {
  const last = (path: string) => trimmed(path).slice(trimmed(path).lastIndexOf("/") + 1);
  const found = new Set(names.filter(({ errno }) => errno === 0).map(({ path }) => last(path)));
  const notFound = names.filter(
    ({ path, errno }) =>
      errno === ENOENT &&
      !found.has(last(path)) &&
      // The dynamic linker of each program looks for this file.
      path !== "/etc/ld.so.preload" &&
      !isInProc(path) &&
      isNothing(rightsAt(plainName(path) ?? path, open)),
  );
  return [...new Set(notFound.map(({ path }) => plainName(path) ?? path))].toSorted();
}

function sorted(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].toSorted((one, other) => one - other);
}
