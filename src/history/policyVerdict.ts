/**
 * Applies another policy to a recorded run. Finds the parts of the request that the policy would refuse, the
 * rights that the run would lose, and the denials that would remain. Pure.
 */

import { DriverError } from "../base/errors.ts";
import { seesOwnCgroup } from "../effects/cgroup/options.ts";
import type { Denial } from "../effects/denial.ts";
import { capabilitySet, formatCapabilities } from "../effects/kernel/capabilities.ts";
import { describeDenial, type OwnPlaces } from "../effects/landlock/denial.ts";
import { limitOptions, type SandboxOptions, type TaskOptions, withinPluginLimits } from "../effects/parts.ts";
import { defaultEntries, identityPaths, privateRootPaths } from "../effects/unveil/defaultPaths.ts";
import { isNothing, merged, type PathRight, rightsAt, without } from "../effects/unveil/pathRights.ts";
import { formatUnveil, isTaskFolder, modeOf, parseUnveil } from "../effects/unveil/unveil.ts";
import { entriesOfSets } from "../effects/unveil/unveilSets.ts";
import { isInRanges } from "../effects/users/idRanges.ts";
import { allowanceUnder, type Names, verdictsOn } from "../effects/verdicts.ts";

/** The recorded facts of a run. */
export interface RecordedRun {
  /** The options in effect. Limits may come from the plugin's options at that time. */
  readonly options: TaskOptions;
  /** Undefined for a run that never had a sandbox. */
  readonly sandbox: RecordedSandbox | undefined;
  readonly denials: readonly (Denial & { readonly count: number })[];
  /** Where the run's own files were. */
  readonly own: OwnPlaces;
  /** The names that the run could connect to, with all addresses that they had. */
  readonly names: Names;
}

export interface RecordedSandbox {
  /** The folder with the run's own versions of files in /etc. */
  readonly runFolder: string;
  readonly uid: number;
  readonly gid: number;
  /** `source` lists the sources of the entries for the path, separated by commas. */
  readonly unveiled: readonly { readonly path: string; readonly mode: string; readonly source: string }[];
}

/** The policy to compare: other options of the plugin, or of the task. */
export type AskedPolicy =
  | { readonly kind: "plugin"; readonly plugin: SandboxOptions }
  /**
   * Everything that the plugin's options gave the run, or allowed it, counts as unchanged, because these
   * options are not recorded.
   */
  | { readonly kind: "task"; readonly task: TaskOptions; readonly plugin: SandboxOptions };

export interface PolicyVerdict {
  /** Reasons why the policy would refuse the start. */
  readonly refused: readonly string[];
  /**
   * Limits and ports above those of the policy. They would be refused only if the job, not the plugin, had
   * set them.
   */
  readonly above: readonly string[];
  /** Entries that the run had, and would not have under the policy. */
  readonly lost: readonly string[];
  /** Recorded denials that would remain. */
  readonly stillDenied: readonly string[];
  /** Recorded denials of accesses that the policy would allow. */
  readonly allowed: readonly string[];
}

/** Compares a run with a policy. */
export function judge(run: RecordedRun, policy: AskedPolicy): PolicyVerdict {
  const { options, sandbox, denials, own, names } = run;
  const task = policy.kind === "task" ? policy.task : options;
  const given = pathsUnder(task, policy.plugin);
  const allowance = allowanceUnder(task, policy.plugin, {
    isUnveiled: (entry) => isGiven(entry, given),
    ...{ own, names },
  });
  const denied = Map.groupBy(denials, (denial) => verdictsOn(denial, allowance).length === 0);
  return {
    ...(policy.kind === "task" ? { refused: [], above: [] } : refusals(run, policy.plugin)),
    lost: sandbox === undefined ? [] : lostPaths(sandbox, given, policy.kind),
    stillDenied: (denied.get(false) ?? []).map(describeDenial),
    allowed: (denied.get(true) ?? []).map(describeDenial),
  };
}

/** Applies the rules of a start. */
function refusals(
  { options, sandbox }: RecordedRun,
  plugin: SandboxOptions,
): Pick<PolicyVerdict, "refused" | "above"> {
  const withoutLimits = Object.fromEntries(
    Object.entries(options).filter(([name]) => !(limitOptions as readonly string[]).includes(name)),
  ) as TaskOptions;
  const refused = [
    ...refusalOf(withoutLimits, plugin),
    ...capabilityRefusal(options, plugin),
    ...unveilRefusals(options, sandbox, plugin),
    ...(sandbox === undefined ? [] : userRefusals(sandbox, plugin)),
  ];
  const above = limitOptions.flatMap((limit) =>
    options[limit] === undefined ? [] : refusalOf({ ...withoutLimits, [limit]: options[limit] }, plugin),
  );
  return { refused, above: above.filter((each) => !refused.includes(each)) };
}

/** Whether the policy would change nothing. */
export function isUnchanged({ refused, above, lost }: PolicyVerdict): boolean {
  return refused.length === 0 && above.length === 0 && lost.length === 0;
}

function refusalOf(task: TaskOptions, plugin: SandboxOptions): string[] {
  try {
    withinPluginLimits(task, plugin);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    return [thrown.hint === undefined ? thrown.summary : `${thrown.summary}. ${thrown.hint}`];
  }
}

function capabilityRefusal({ capAdd }: TaskOptions, { allowCaps }: SandboxOptions): string[] {
  const all = capAdd.some((name) => name.toLowerCase() === "all");
  const refused = all ? 0n : capabilitySet(capAdd) & ~capabilitySet(allowCaps);
  return refused === 0n ? [] : [`cap_add has ${formatCapabilities(refused)}, which allow_caps lacks`];
}

/** Compares paths as they are written: where links of the host led is not recorded. */
function unveilRefusals(
  task: TaskOptions,
  sandbox: RecordedSandbox | undefined,
  plugin: SandboxOptions,
): string[] {
  const { unveilAllowed, unveilPaths, unveilDefaults } = plugin;
  if (unveilAllowed.length === 0) return [];
  const own = (sandbox?.unveiled ?? []).filter(isTaskFolder);
  const allowed = [
    ...(unveilDefaults ? defaultEntries : []),
    ...[...unveilPaths, ...unveilAllowed].map((entry) => parseUnveil(entry, "plugin")),
    ...own.map(({ path, mode }) => ({ path, mode: modeOf(mode) })),
  ];
  return task.unveil
    .map((entry) => parseUnveil(entry, "task"))
    .filter(({ path, mode }) => !isNothing(without(mode, rightsAt(path, allowed))))
    .map((entry) => `unveil has ${formatUnveil(entry)}, which unveil_allowed lacks`);
}

function userRefusals({ uid, gid }: RecordedSandbox, plugin: SandboxOptions): string[] {
  return [
    ...(uid === 0 && !plugin.allowRoot ? ["it ran as root, and allow_root is not set"] : []),
    ...(isInRanges(uid, plugin.deniedHostUids) ? [`it ran as uid ${uid}, which denied_host_uids has`] : []),
    ...(isInRanges(gid, plugin.deniedHostGids) ? [`it ran as gid ${gid}, which denied_host_gids has`] : []),
  ];
}

/** The paths that the options of plugin and task unveil, and the default paths. */
function pathsUnder(task: TaskOptions, plugin: SandboxOptions): PathRight[] {
  const identity = task.identityFiles ?? plugin.identityFiles;
  return merged([
    ...(plugin.unveilDefaults ? privateRootPaths(seesOwnCgroup(task)) : []),
    ...(identity ? identityPaths : []),
    ...plugin.unveilPaths.map((entry) => parseUnveil(entry, "plugin")),
    ...knownSets(task, plugin),
    ...task.unveil.map((entry) => parseUnveil(entry, "task")),
  ]);
}

/** A policy may lack a set that the run used. The refusal says so. */
function knownSets(task: TaskOptions, plugin: SandboxOptions): readonly PathRight[] {
  try {
    return entriesOfSets(task, plugin);
  } catch {
    return [];
  }
}

/** Paths that only the replaced options had unveiled. The task keeps its folders, volumes and logs. */
function lostPaths(
  { unveiled, runFolder }: RecordedSandbox,
  given: readonly PathRight[],
  kind: AskedPolicy["kind"],
): string[] {
  const replaced = kind === "task" ? ["task"] : ["default", "plugin", "task"];
  return unveiled.flatMap(({ path, mode, source }) => {
    if (!source.split(/[, ]+/).every((each) => replaced.includes(each))) return [];
    // Its own /etc/passwd is recorded as a file of the run.
    const seen = path.startsWith(`${runFolder}/`) ? `/etc${path.slice(runFolder.length)}` : path;
    const lost = without(modeOf(mode), rightsAt(seen, given));
    return isNothing(lost) ? [] : formatUnveil({ path: seen, mode: lost });
  });
}

function isGiven(entry: string, given: readonly PathRight[]): boolean {
  const { path, mode } = parseUnveil(entry, "task");
  return isNothing(without(mode, rightsAt(path, given)));
}
