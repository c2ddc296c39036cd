/**
 * The groups that an operator lets jobs choose, in `groups_by_task`: names, in which `*` matches any characters, and
 * numbers or ranges of them. Pure.
 */
import { matchesGlob } from "../../base/globs.ts";
import { idRangesProblem, isInRanges } from "./idRanges.ts";

/** The problem with an entry that is a number or a range; undefined for a name. */
export function listedGroupProblem(entry: string): string | undefined {
  if (entry === "") return "must not be empty";
  return isNumeric(entry) ? idRangesProblem(entry) : undefined;
}

/** Whether an entry of the list is a name that matches. */
export function isListedName(name: string, entries: readonly string[]): boolean {
  return entries.some((entry) => !isNumeric(entry) && matchesGlob(entry, name));
}

/** Whether an entry of the list is the number, or a range around it. */
export function isListedGid(gid: number, entries: readonly string[]): boolean {
  return entries.some((entry) => isNumeric(entry) && isInRanges(gid, entry));
}

/** Whether an entry of the list counts by a group's number. */
export function hasGids(entries: readonly string[]): boolean {
  return entries.some(isNumeric);
}

function isNumeric(entry: string): boolean {
  return /^\d+(-\d+)?$/.test(entry);
}
