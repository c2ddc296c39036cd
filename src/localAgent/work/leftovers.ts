/** Finds what killed runs left on this host. */
import { join } from "node:path";
import { namesIn } from "../../store/folder/files.ts";
import { allScopes, isHeld, type LocalScope, type ScopeOwner } from "../allocation/cgroupScope.ts";
import { type RunRecord, takeAbandonedWork, workPrefix } from "./workFolder.ts";

/** What a run left. A lock that no process holds proves that the run has ended. */
export interface Leftover {
  /** The run's work folder; undefined if it was removed, or is in another mount namespace or root. */
  readonly work: string | undefined;
  /** Undefined if the run was killed while it wrote its record. */
  readonly owner: ScopeOwner | undefined;
  /** Whether the work folder stays. */
  readonly keep: boolean;
  /** Cgroups of the run's tasks. Most still have running processes. */
  readonly scopes: readonly LocalScope[];
}

export interface Leftovers {
  readonly leftovers: readonly Leftover[];
  /** Cgroups whose runs may be alive: they have no lock and no work folder, which would prove the contrary. */
  readonly unproven: readonly LocalScope[];
}

/**
 * Finds all leftovers, and changes nothing. Living runs are not leftovers, nor are folders of `--keep` whose
 * runs have no cgroups left.
 * @param parent of the work folders
 * @returns nothing for a user other than root, who may not read the runs' records
 */
export function findLeftovers(parent: string): Leftovers {
  if (process.geteuid?.() !== 0) return { leftovers: [], unproven: [] };
  // The cgroups are read before the folders. A run makes its folder before its cgroups, so no cgroup of a new
  // run is mistaken for a leftover.
  const scopes = allScopes();
  const works = workFolders(parent).map((path) => ({ path, allocations: allocationsIn(path) }));
  const withFolders = works.flatMap(({ path, allocations }) => {
    const abandoned = takeAbandonedWork(path);
    if (abandoned === undefined) return [];
    abandoned.release();
    const { record } = abandoned;
    const own = scopes.filter(({ allocId }) => allocations.includes(allocId));
    if (own.some(isHeld)) return [];
    const keep = record?.keep === true;
    return keep && own.length === 0
      ? []
      : [{ work: path, owner: record && ownerIn(path, record), keep, scopes: own }];
  });
  const known = new Set(works.flatMap(({ allocations }) => allocations));
  const lone = scopes.filter((scope) => !known.has(scope.allocId) && !isHeld(scope));
  const marked = Map.groupBy(lone, ({ owner }) => owner?.work);
  const unproven = marked.get(undefined) ?? [];
  marked.delete(undefined);
  const withoutFolders = [...marked.values()].map((own) => {
    return { work: undefined, owner: own[0]?.owner, keep: false, scopes: own };
  });
  return { leftovers: [...withFolders, ...withoutFolders], unproven };
}

function ownerIn(work: string, { pid, begunAt, job }: RunRecord): ScopeOwner {
  return { pid, begunAt, job, work };
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
