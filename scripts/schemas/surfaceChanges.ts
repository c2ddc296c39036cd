/** What is otherwise in the surfaces than in the last release, and whether the changelog says so. Pure. */
import { keptMinors } from "../../src/effects/options/deprecation.ts";
import type { Surfaces } from "./surfaces.ts";

/** The surfaces of a release. */
export interface Recorded {
  readonly version: string;
  readonly surfaces: Surfaces;
}

export interface SurfaceChange {
  readonly surface: string;
  readonly name: string;
  /** The words on it in the release; undefined for what is new. */
  readonly before: string | undefined;
  /** Undefined for what is removed. */
  readonly after: string | undefined;
}

/** The changes, without those inside of something that was added or removed as a whole. */
export function changesOf(before: Surfaces, after: Surfaces): SurfaceChange[] {
  const all = namesOf(before, after).flatMap(({ surface, name }) => {
    const change = { surface, name, before: before[surface]?.[name], after: after[surface]?.[name] };
    return change.before === change.after ? [] : [change];
  });
  return all.filter((change) => !all.some((other) => isWithin(change, other)));
}

function namesOf(...all: readonly Surfaces[]) {
  const found = all.flatMap((surfaces) =>
    Object.entries(surfaces).flatMap(([surface, names]) =>
      Object.keys(names).map((name) => ({ surface, name })),
    ),
  );
  return [...new Map(found.map((each) => [`${each.surface}\n${each.name}`, each])).values()];
}

function isWithin(one: SurfaceChange, other: SurfaceChange): boolean {
  const isWhole = other.before === undefined || other.after === undefined;
  return isWhole && one.surface === other.surface && /^[.[ /]/.test(restAfter(one.name, other.name));
}

function restAfter(name: string, start: string): string {
  return name.startsWith(start) ? name.slice(start.length) : "";
}

/** The part of a changelog in the form of Keep a Changelog that is in no release. */
export function unreleasedIn(changelog: string): string {
  const [, ...parts] = changelog.split(/^## /m);
  return (parts.find((part) => part.startsWith("[Unreleased]")) ?? "").replace(/^.*/, "").trim();
}

/** Whether the record is made anew: before the first release, and right after one. */
export function isRecordedAnew(changelog: string): boolean {
  return newestRelease(changelog) === undefined || unreleasedIn(changelog) === "";
}

/** The newest release in a changelog; undefined before the first. */
export function newestRelease(changelog: string): string | undefined {
  return /^## \[(\d+\.\d+\.\d+)\]/m.exec(changelog)?.[1];
}

/** What forbids the changes, each as a line that says what to do. */
export function problemsWith(
  changes: readonly SurfaceChange[],
  { version }: Pick<Recorded, "version">,
  changelog: string,
): string[] {
  const unreleased = unreleasedIn(changelog);
  // What is new breaks nobody.
  const breaking = unreleased
    .split(/^### /m)
    .filter((part) => !part.startsWith("Added"))
    .join("");
  return changes.flatMap((change) => {
    const { surface, name, before, after } = change;
    const what = `${surface}: ${name} (${before ?? "new"} → ${after ?? "removed"})`;
    const word = wordOf(change);
    const isNamed = namedIn(before === undefined ? unreleased : breaking, word);
    const where = before === undefined ? "" : ", under Changed, Deprecated, Removed or Fixed";
    return [
      ...(isNamed ? [] : [`${what}: name \`${word}\` in CHANGELOG.md's unreleased part${where}`]),
      ...(mayGo(change, version) ? [] : [`${what}: deprecate it for ${keptMinors} minor versions first`]),
    ];
  });
}

/** The word that the changelog has for it, in backticks. */
function wordOf({ surface, name }: SurfaceChange): string {
  if (surface === "log lines") return name;
  if (surface === "state folder") return /[\w-]+/.exec(name)?.[0] ?? name;
  return name.split(/[.=|/ ]|\[\]/).findLast((part) => part !== "" && part !== "*") ?? name;
}

function namedIn(text: string, word: string): boolean {
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
  return spans.some((span) => span === word || span.split(/[^\w-]+/).includes(word));
}

/** An option goes only after it was deprecated in two minor versions at least, the released one among them. */
function mayGo({ surface, before, after }: SurfaceChange, released: string): boolean {
  if (!surface.startsWith("options ") || before === undefined || after !== undefined) return true;
  const [, major, minor] = /deprecated since (\d+)\.(\d+)\./.exec(before) ?? [];
  const [ownMajor = 0, ownMinor = 0] = released.split(".").map(Number);
  if (major === undefined) return false;
  return ownMajor > Number(major) || ownMinor >= Number(minor) + keptMinors - 1;
}
