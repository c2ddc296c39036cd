/** Finds what killed runs left on this host. */
import { join } from "node:path";
import { namesIn } from "../../store/folder/files.ts";
import { allScopes, type LocalScope } from "../allocation/cgroupScope.ts";
import { type RunRecord, takeAbandonedWork, workParent, workPrefix } from "./workFolder.ts";

export interface Leftover {
  /** The run's work folder; undefined if it was removed. */
  readonly work: string | undefined;
  /** The run's record. */
  readonly record: RunRecord | undefined;
  /** Cgroups of the run's tasks. Most still have running processes. */
  readonly scopes: readonly LocalScope[];
}

/**
 * Finds all leftovers, and changes nothing. Living runs are not leftovers, nor are folders of `--keep` whose
 * runs have no cgroups left.
 * @returns an empty array for a user other than root, who may not read the runs' records
 */
export function findLeftovers(parent = workParent): Leftover[] {
  if (process.geteuid?.() !== 0) return [];
  // The cgroups are read before the folders. A run makes its folder before its cgroups, so no cgroup of a new
  // run is mistaken for a leftover.
  const scopes = allScopes();
  const works = workFolders(parent).map((path) => ({ path, allocations: allocationsIn(path) }));
  const leftovers = works.flatMap(({ path, allocations }) => {
    const abandoned = takeAbandonedWork(path);
    if (abandoned === undefined) return [];
    abandoned.release();
    const { record } = abandoned;
    const own = scopes.filter(({ allocId }) => allocations.includes(allocId));
    return record?.keep && own.length === 0 ? [] : [{ work: path, record, scopes: own }];
  });
  const known = new Set(works.flatMap(({ allocations }) => allocations));
  const lone = scopes.filter(({ allocId }) => !known.has(allocId));
  return lone.length === 0 ? leftovers : [...leftovers, { work: undefined, record: undefined, scopes: lone }];
}

function workFolders(parent: string): string[] {
  return namesIn(parent)
    .filter((name) => name.startsWith(workPrefix))
    .map((name) => join(parent, name));
}

/** Ids of the allocations that a run made. */
export function allocationsIn(work: string): string[] {
  return namesIn(join(work, "alloc"));
}
