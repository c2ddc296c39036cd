/** What an observed run has used, as texts in the form of the options that allow it: from its accesses. Pure. */
import { groupedBy } from "../../base/groupedBy.ts";
import { formatEgress, parseEgress } from "../egress/egress.ts";
import { capabilityName } from "../kernel/capabilities.ts";
import { asksForTerminal } from "../landlock/probes.ts";
import { isLoopback, parseAddress } from "../network/addresses.ts";
import { isAtOrBelow, namesOf } from "../paths/paths.ts";
import { folderOf, procPath } from "../unveil/pathRights.ts";
import { formatMode, modeOf } from "../unveil/unveil.ts";
import type { Access, NamedAccess } from "./access.ts";

export interface Uses {
  /**
   * Entries such as `rx:/usr/bin/env`, sorted. Without a letter, `:/srv`: the path was only looked for, and found. With
   * a slash at the end, `r:/srv/`: several paths below it, of which only this is kept.
   */
  readonly paths: readonly string[];
  /**
   * Folders from which, or to which, files were moved or linked, such as `from:/srv/a`, sorted. Which of them belong
   * together, nobody knows. The last is {@link moreMoves} if there were too many.
   */
  readonly moves: readonly string[];
  /** Such as `tcp:192.0.2.7:443`, sorted; none on loopback. */
  readonly connects: readonly string[];
  /** Such as `tcp:8080`, sorted. The kernel has chosen the port itself for 0. */
  readonly binds: readonly string[];
  /** Ports of connections, also those on loopback, such as `tcp:443`. */
  readonly ports: readonly string[];
  /** Names of capabilities that the kernel has granted. */
  readonly capabilities: readonly string[];
}

/** Maximum number of paths in {@link Uses}, and of moves. */
const maxPaths = 1_024;
const maxMoves = 256;

/** Stands for further moves. */
export const moreMoves = "more";

/**
 * The uses in accesses.
 * @param own folders of the run's own, each of which stands for everything in it
 */
export function usesOf(accesses: readonly Access[], own: readonly string[]): Uses {
  return {
    paths: folded(pathsOf(accesses, own), maxPaths),
    moves: movesOf(accesses, own),
    connects: texts(accesses, (access) =>
      access.kind === "connected" && !isLocal(access.address) && access.port > 0
        ? formatEgress({
            ...parseEgress(access.address),
            protocol: access.tcp ? "tcp" : "udp",
            port: access.port,
          })
        : undefined,
    ),
    binds: texts(accesses, (access) => (access.kind === "bound" ? portText(access) : undefined)),
    ports: texts(accesses, (access) =>
      access.kind === "connected" && access.port > 0 ? portText(access) : undefined,
    ),
    capabilities: texts(accesses, (access) =>
      access.kind === "capability" && !access.refused ? capabilityName(access.number) : undefined,
    ),
  };
}

/** The uses of several parts of a run, or of several runs. */
export function unionOfUses(all: readonly Uses[]): Uses {
  const union = (of: (uses: Uses) => readonly string[]) => [...new Set(all.flatMap(of))].toSorted();
  return {
    paths: union(({ paths }) => paths),
    moves: union(({ moves }) => moves),
    connects: union(({ connects }) => connects),
    binds: union(({ binds }) => binds),
    ports: union(({ ports }) => ports),
    capabilities: union(({ capabilities }) => capabilities),
  };
}

/** What an entry of {@link Uses.paths} says. */
export interface UsedPath {
  readonly path: string;
  /** Letters of the mode, in the order `rwxc`; empty if the path was only looked for. */
  readonly letters: string;
  /** Whether it stands for paths below it. */
  readonly isFolded: boolean;
}

export function parseUsedPath(text: string): UsedPath {
  const colon = text.indexOf(":");
  const path = text.slice(colon + 1);
  const isFolded = path.length > 1 && path.endsWith("/");
  return { letters: text.slice(0, colon), path: isFolded ? path.slice(0, -1) : path, isFolded };
}

function portText({ tcp, port }: { readonly tcp: boolean; readonly port: number }): string {
  return `${tcp ? "tcp" : "udp"}:${port}`;
}

function texts(accesses: readonly Access[], of: (access: Access) => string | undefined): string[] {
  return [...new Set(accesses.flatMap((access) => of(access) ?? []))].toSorted();
}

/** Loopback is no matter of egress; the unspecified addresses reach it. */
function isLocal(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed === undefined || isLoopback(parsed) || parsed.address.every((byte) => byte === 0);
}

function movesOf(accesses: readonly Access[], own: readonly string[]): string[] {
  const placeOf = placing(own);
  const moves = texts(accesses, (access) =>
    access.kind === "named" && access.moves !== undefined && access.errno === 0
      ? `${access.moves}:${placeOf(folderOf(plainName(access.path)))}`
      : undefined,
  );
  return moves.length <= maxMoves ? moves : [...moves.slice(0, maxMoves), moreMoves];
}

/** What stands for a path: procfs has no names that a job could mean, and the run's own folders are the run's. */
function placing(own: readonly string[]): (path: string) => string {
  const deepestFirst = own.toSorted((one, other) => other.length - one.length);
  return (path) => deepestFirst.find((folder) => isAtOrBelow(path, folder)) ?? procPath(path);
}

/** The letters used on each path; none for a path that was only found. */
function pathsOf(accesses: readonly Access[], own: readonly string[]): Map<string, Set<string>> {
  const paths = new Map<string, Set<string>>();
  const placeOf = placing(own);
  for (const [path, letters] of accesses.flatMap(lettersOf)) {
    const known = placeOf(path);
    const before = paths.get(known) ?? new Set();
    for (const letter of letters) before.add(letter);
    paths.set(known, before);
  }
  // A folder around a path that is used is there as long as the path is.
  const used = [...paths].filter(([, letters]) => letters.size > 0).map(([path]) => path);
  const around = new Set(used.flatMap(foldersAround));
  return new Map([...paths].filter(([path, letters]) => letters.size > 0 || !around.has(path)));
}

type Letters = readonly [path: string, letters: string];

function lettersOf(access: Access): readonly Letters[] {
  switch (access.kind) {
    case "opened": {
      const { path, read, write, created } = access;
      return [
        [path, `${read ? "r" : ""}${write ? "w" : ""}`],
        ...(created ? [[folderOf(path), "c"] as const] : []),
      ];
    }
    case "executed":
      return [[access.path, "rx"]];
    case "controlled":
      return asksForTerminal(access.request) ? [] : [[access.path, "w"]];
    case "named":
      return [lettersOfName(access)];
    default:
      return [];
  }
}

/** A name may contain symlinks, which only whoever judges the uses may know. */
function lettersOfName({ use, path, errno }: NamedAccess): Letters {
  const name = plainName(path);
  // Another error than those of a refusal means that something was there.
  if (errno !== 0 && use !== "connect") return [name, ""];
  switch (use) {
    case "make":
    case "remove":
      return [folderOf(name), "c"];
    case "truncate":
    case "change":
    case "connect":
      return [name, "w"];
    case "execute":
      return [name, "rx"];
    default:
      return [name, ""];
  }
}

/** A name without empty, `.` and `..` segments. After a symlink, `..` leads elsewhere, which nobody knows here. */
function plainName(name: string): string {
  const names: string[] = [];
  for (const each of namesOf(name)) {
    if (each === "..") names.pop();
    else names.push(each);
  }
  return `/${names.join("/")}`;
}

function foldersAround(path: string): string[] {
  const folder = folderOf(path);
  return folder === path ? [] : [folder, ...foldersAround(folder)];
}

/** At most so many entries: the deepest folder with the most paths stands for them, then the next one. */
function folded(paths: ReadonlyMap<string, ReadonlySet<string>>, most: number): string[] {
  const all = new Map<string, { readonly letters: ReadonlySet<string>; readonly isFolded: boolean }>();
  for (const [path, letters] of paths) all.set(path, { letters, isFolded: false });
  while (all.size > most) {
    const folders = groupedBy([...all.keys()], folderOf);
    folders.delete("/");
    const [folder, inIt] = [...folders].reduce((best, each) => (weight(each) > weight(best) ? each : best), [
      "",
      [],
    ] as [string, string[]]);
    if (inIt.length === 0) break;
    const letters = new Set([folder, ...inIt].flatMap((path) => [...(all.get(path)?.letters ?? [])]));
    for (const path of inIt) all.delete(path);
    all.set(folder, { letters, isFolded: true });
  }
  return [...all]
    .map(([path, { letters, isFolded }]) => {
      const mode = formatMode(modeOf([...letters].join("")));
      return `${mode}:${path}${isFolded && path !== "/" ? "/" : ""}`;
    })
    .toSorted();
}

/** Folders with more paths come first, deeper ones among equals. */
function weight([folder, paths]: readonly [string, readonly string[]]): number {
  return paths.length * 1_000 + folder.split("/").length;
}
