/**
 * What an observed run needs of its job's options: what it used beyond what every task of the node has, its own folders
 * and its volumes. Pure.
 */
import { parseUsedPath, type UsedPath } from "../../effects/observe/uses.ts";
import { isAtOrBelow, isInProc } from "../../effects/paths/paths.ts";
import { privateRootPaths } from "../../effects/unveil/defaultPaths.ts";
import { rightsAt as rightsOn } from "../../effects/unveil/pathRights.ts";
import { formatMode, modeOf, parseUnveil, unveilProblem } from "../../effects/unveil/unveil.ts";
import { pathsInTask } from "../access/rightsAt.ts";
import type { ObservedRun, RecordedOptions } from "./observedRun.ts";

/** An entry of `unveil`. */
export interface Entry {
  /** As the option has it. */
  readonly text: string;
  readonly letters: string;
  readonly path: string;
  /** Where the path leads, if not to itself. */
  readonly leadsTo: string | undefined;
}

export interface PathNeed {
  readonly path: string;
  /** Letters of a mode; empty if it is enough that the path is there. */
  readonly letters: string;
  /** Whether everything in the folder has to be there, and not only the folder. */
  readonly isWhole?: true;
}

export interface PathNeeds {
  readonly needs: readonly PathNeed[];
  /** Used paths for which no rule of the run is known. */
  readonly unexplained: readonly string[];
}

/** The entries of a task's `unveil`. */
export function entriesIn(options: RecordedOptions, links: ReadonlyMap<string, string>): Entry[] {
  return listIn(options, "unveil").flatMap((text) => {
    if (unveilProblem(text) !== undefined) return [];
    const { path, mode } = parseUnveil(text, "task");
    return [{ text, path, letters: formatMode(mode), leadsTo: links.get(path) }];
  });
}

/** The texts of a list among options; none if it is not set. */
export function listIn(options: RecordedOptions, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value.map(String) : [];
}

export function covers({ path, leadsTo }: Pick<Entry, "path" | "leadsTo">, other: string): boolean {
  return isAtOrBelow(other, path) || (leadsTo !== undefined && isAtOrBelow(other, leadsTo));
}

export function isBelow({ path, leadsTo }: Pick<Entry, "path" | "leadsTo">, folder: string): boolean {
  return isAtOrBelow(path, folder) || (leadsTo !== undefined && isAtOrBelow(leadsTo, folder));
}

/** What of its paths the run needs the option `unveil` for. */
export function pathNeeds(run: ObservedRun): PathNeeds {
  const own = entriesIn(run.options, run.links);
  const fixed = fixedRules(run, own);
  const needs: PathNeed[] = [];
  const unexplained: string[] = [];
  for (const text of run.uses.paths) {
    const used = parseUsedPath(text);
    const found = used.isFolded ? needsBelow(used, own, fixed) : needsAt(used, own, fixed, run.sandbox.root);
    if (found === undefined) unexplained.push(text);
    else needs.push(...found);
  }
  return { needs, unexplained };
}

type Rule = Pick<Entry, "path" | "letters" | "leadsTo">;

/** What the run has without its own option `unveil`. */
export function fixedRules({ sandbox, links, options }: ObservedRun, own: readonly Entry[]): Rule[] {
  const defaults = privateRootPaths(options.cgroup_view === "own");
  return sandbox.unveiled.flatMap(({ path, mode, source }) => {
    const sources = source.split(", ");
    const asked = own.filter((entry) => entry.path === path);
    // The records have the sum of all sources' letters. Of those that the task asks for, the others may have none.
    const byTask = sources.includes("task") ? asked.flatMap(({ letters }) => [...letters]) : [];
    const byDefault = sources.includes("default") ? formatMode(rightsOn(path, defaults)) : "";
    const letters = [...mode]
      .filter((letter) => !byTask.includes(letter) || byDefault.includes(letter))
      .join("");
    if (letters === "") return [];
    const leadsTo = links.get(path);
    return pathsInTask({ path, source }, sandbox).map((at) => ({ path: at, letters, leadsTo }));
  });
}

/** Undefined if no rule explains the use. */
function needsAt(
  used: UsedPath,
  own: readonly Entry[],
  fixed: readonly Rule[],
  root: "private" | "host",
): PathNeed[] | undefined {
  const { path, letters } = used;
  // In the host's tree, Landlock refuses nobody a look, and every task has a /proc.
  if (letters === "") return root === "host" || isInProc(path) ? [] : needsToFind(path, own, fixed);
  const ownAround = own.filter((each) => covers(each, path));
  const fixedAround = fixed.filter((each) => covers(each, path));
  const left = without(letters, lettersOf(fixedAround));
  if (left === "") return [];
  if (ownAround.length === 0) return fixedAround.length > 0 ? [] : throughLink(used, own, fixed, root);
  const given = lettersOf(ownAround);
  // The kernel has allowed what no rule does: nobody knows by which of them.
  const needed = without(left, given) === "" ? left : given;
  return [{ path, letters: without(needed, lettersOf(fixedAround)) }];
}

function needsToFind(path: string, own: readonly Entry[], fixed: readonly Rule[]): PathNeed[] | undefined {
  if (fixed.some((each) => covers(each, path) || isBelow(each, path))) return [];
  if (own.some((each) => covers(each, path) || isBelow(each, path))) return [{ path, letters: "" }];
  return throughLink({ path, letters: "", isFolded: false }, own, fixed, "private");
}

/** A name may lead through a link that is there for an entry. It needs the link, and what is needed where it leads. */
function throughLink(
  used: UsedPath,
  own: readonly Entry[],
  fixed: readonly Rule[],
  root: "private" | "host",
): PathNeed[] | undefined {
  for (const { from, to } of [...own, ...fixed].flatMap(linkOf)) {
    if (!isAtOrBelow(used.path, from) || isAtOrBelow(to, from)) continue;
    const there = { ...used, path: `${to}${used.path.slice(from.length)}` };
    const needs = needsAt(there, own, fixed, root);
    if (needs === undefined) continue;
    const isFixed = root === "host" || fixed.some((each) => isBelow(each, from));
    return isFixed ? needs : [{ path: from, letters: "" }, ...needs];
  }
  return undefined;
}

/** The link through which an entry's path leads: without what both paths end with. */
function linkOf({ path, leadsTo }: Rule): { readonly from: string; readonly to: string }[] {
  if (leadsTo === undefined) return [];
  const [from, to] = [path.split("/"), leadsTo.split("/")];
  while (from.length > 2 && to.length > 2 && from.at(-1) === to.at(-1)) {
    from.pop();
    to.pop();
  }
  return [{ from: from.join("/"), to: to.join("/") }];
}

/** Several paths below the folder were used. */
function needsBelow(
  { path, letters }: UsedPath,
  own: readonly Entry[],
  fixed: readonly Rule[],
): PathNeed[] | undefined {
  const around = fixed.filter((each) => covers(each, path));
  const left = without(letters, lettersOf(around));
  if (left === "" && (letters !== "" || around.length > 0)) return [];
  const ownAround = own.filter((each) => covers(each, path));
  const ownBelow = own.filter((each) => isBelow(each, path) && !covers(each, path));
  const at = common(left, lettersOf(ownAround));
  const needs = [
    ...(ownAround.length > 0 ? [{ path, letters: at, isWhole: true as const }] : []),
    // Any of them may have been used.
    ...ownBelow.map((each) => ({ path: each.path, letters: common(left, each.letters) })),
  ];
  if (needs.length > 0) return needs;
  return fixed.some((each) => isBelow(each, path)) || around.length > 0 ? [] : undefined;
}

function lettersOf(rules: readonly Rule[]): string {
  return formatMode(modeOf(rules.map(({ letters }) => letters).join("")));
}

function without(letters: string, others: string): string {
  return [...letters].filter((letter) => !others.includes(letter)).join("");
}

function common(letters: string, others: string): string {
  return [...letters].filter((letter) => others.includes(letter)).join("");
}
