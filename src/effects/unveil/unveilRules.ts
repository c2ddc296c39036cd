/**
 * Builds the rules for the paths that a task may access: default paths, its own folders, and paths of the
 * plugin's and the job's options. Pure.
 */

import { DriverError } from "../../base/errors.ts";
import { mountAround, type PlacedMount, type RootMode, type TaskFolders } from "../layout/layout.ts";
import type { MemoryMount } from "../layout/mountBlocks.ts";
import type { PluginValues, TaskValues } from "../options/fields.ts";
import { isAtOrBelow } from "../paths/paths.ts";
import {
  defaultEntries,
  identityPaths,
  ownCgroupFolder,
  ownCgroupPaths,
  ownRootFolders,
  ownRootPaths,
} from "./defaultPaths.ts";
import type { unveilOptions } from "./options.ts";
import { isNothing, without } from "./pathRights.ts";
import {
  formatUnveil,
  modeOf,
  parseUnveil,
  type UnveilEntry,
  type UnveilMode,
  type UnveilSource,
  unionOfModes,
} from "./unveil.ts";
import { entriesOfSets } from "./unveilSets.ts";

/** A bind mount over a path in the task's mount namespace. */
export interface BoundPath {
  readonly target: string;
  /** The path that is bound over `target`, such as a generated resolv.conf. */
  readonly source: string;
}

export interface UnveilInput {
  readonly options: PluginValues<typeof unveilOptions>;
  readonly task: TaskValues<typeof unveilOptions>;
  readonly folders: TaskFolders;
  /** Bind mounts over single paths, except the bind mount of the private `/tmp`. */
  readonly bound?: readonly BoundPath[];
  readonly mounts?: readonly PlacedMount[];
  /** Folders in memory at paths of the task's root. */
  readonly inMemory?: readonly MemoryMount[];
  /** The root that the options request; `host` by default. */
  readonly root?: RootMode;
  /** Set if the root is made of a folder. */
  readonly rootDir?: RootDirInput | undefined;
  /** Set if a private `/tmp` is in memory. */
  readonly tmpInMemory?: boolean;
  /** Where the task sees a subtree of cgroups of its own; undefined if it has none. */
  readonly delegated?: string | undefined;
  /** Whether the task sees its own cgroup in a private root. */
  readonly ownCgroup?: boolean;
}

/** A path, the access that all its entries together allow, and the sources of these entries. */
export interface UnveilRule {
  readonly path: string;
  readonly mode: UnveilMode;
  readonly sources: readonly UnveilSource[];
  /** What the job asks for on a path of the host, beyond what others give on it; absent if that is nothing. */
  readonly jobMode?: UnveilMode;
  /**
   * The outermost folder around the path in which tasks may create files. The path must not lead out of this
   * folder, because an earlier run may have created a symlink in the folder.
   */
  readonly beneath?: string;
  /** Set if the path must not lead through any symlink below {@link beneath}. */
  readonly withoutLinks?: true;
  /** The mount's target, if the path is the source of a mount. */
  readonly target?: string;
  /** Set if the path exists only in the task's mount namespace, and not on the host. */
  readonly ownRoot?: true;
  /** Set for a folder in memory that the job asks for. Init mounts it and adds the rule, or the start fails. */
  readonly inMemory?: true;
  /** Set if only the task's process can add the rule, because it makes what is at the path. */
  readonly madeByTask?: true;
  /** Set if the rule allows listing folders, but not reading files. */
  readonly listing?: true;
  /** Set if the rule is left out where its path does not exist, although an option has it. */
  readonly optional?: true;
  /** Set for a path of the folder that the task's root is made of. A symlink at the path gets no rule. */
  readonly inRootDir?: RootDirEntry["kind"];
}

/** A file or folder in the folder that a task's root is made of. */
export interface RootDirEntry {
  /** The path in the task. */
  readonly path: string;
  readonly kind: "file" | "folder";
}

/** The folder that a task's root is made of. */
export interface RootDirInput {
  readonly isWritable: boolean;
  /**
   * The outermost files and folders that are the folder's alone.
   * @param others paths in the task's root that are not the folder's
   */
  readonly entries: (others: readonly string[]) => readonly RootDirEntry[];
}

export interface UnveilRules {
  /** `host` if the options unveil `/`, otherwise the root of the input. */
  readonly root: RootMode;
  /** At most one rule for each path, and one for each mount. */
  readonly entries: readonly UnveilRule[];
  /** Whether `/tmp` is the task's own: its temporary folder, or one in memory. */
  readonly privateTmp: boolean;
  /** As in {@link UnveilInput}. */
  readonly tmpInMemory?: true;
  /** Why the task sees the host's `/tmp`; null if the task has its own `/tmp`. */
  readonly sharedTmpReason: string | null;
}

/** Whether the plugin's or the task's options name the path. */
export function isConfigured({ sources }: UnveilRule): boolean {
  return sources.includes("plugin") || sources.includes("task");
}

/**
 * Builds a task's rules. The rule for a path under a bind mount is added for the mount's source: Landlock
 * checks the visible file, not the file that the mount hides. Entries in a volume are left out: the volume's
 * rule covers them.
 * @throws DriverError `CONFIG_INVALID` for options of the root and of `/tmp` that the unveiled paths contradict
 */
export function unveilRules(input: UnveilInput): UnveilRules {
  const { options, task, folders, bound = [], mounts = [], inMemory = [], rootDir, delegated } = input;
  const { tmpInMemory = false, ownCgroup = false } = input;
  const configured = [
    ...options.unveilPaths.map((entry) => parseUnveil(entry, "plugin")),
    ...entriesOfSets(task, options),
    ...task.unveil.map((entry) => parseUnveil(entry, "task")),
  ];
  const sharedTmpReason = whyTmpIsShared(options, configured, folders);
  const privateTmp = sharedTmpReason === null;
  const root = configured.some(({ path }) => path === "/") ? "host" : (input.root ?? "host");
  if (rootDir && root === "host") throw unveilsAll();
  if (tmpInMemory && sharedTmpReason !== null) throw noOwnTmp(sharedTmpReason);
  const defaults = [
    ...(rootDir ? defaultEntries.filter(({ path }) => isInEveryRoot(path)) : defaultEntries),
    ...(root === "private" ? ownRootPaths : []),
    ...(root === "private" && ownCgroup ? ownCgroupPaths : []),
    ...folderEntries(folders),
  ];
  const implied = [
    ...(options.unveilDefaults ? defaults : []),
    // These entries are only for the task's own files, not for the host's.
    ...identityPaths.filter(({ path }) => bound.some(({ target }) => target === path)),
  ];
  const binds = new Map(bound.map(({ target, source }) => [target, source]));
  if (privateTmp && !tmpInMemory) binds.set(TMP, folders.tmpDir);
  // The default `rwc:/tmp` never applies to the host's /tmp, which all users share.
  const entries = [...implied.filter(({ path }) => privateTmp || path !== TMP), ...configured];
  const covering = [...mounts.filter(({ source, target }) => source !== target), ...inMemory];
  const outside = entries.filter(({ path }) => mountAround(path, covering) === undefined);
  const rules = [
    ...ownFolderRules(options, folders, outside),
    ...confine(merge(outside, binds)).map((rule) =>
      tmpInMemory && rule.path === TMP ? tmpRule(rule) : rule,
    ),
    ...(root === "private" && options.unveilDefaults
      ? ownRootRules([...ownRootFolders, ...(ownCgroup ? [ownCgroupFolder] : [])], configured)
      : []),
    ...mounts.map(mountRule),
    ...inMemory.map(memoryRule),
    ...(delegated === undefined ? [] : [delegatedRule(delegated)]),
  ];
  if (rootDir) rules.push(...rootDirRules(rootDir, rules, folders, privateTmp));
  return { root, entries: rules, privateTmp, sharedTmpReason, ...(tmpInMemory && { tmpInMemory }) };
}

function unveilsAll(): DriverError {
  return new DriverError("CONFIG_INVALID", "root_dir makes the task's root of a folder, but / is unveiled", {
    option: "root_dir",
    hint: "Leave out root_dir, or the entry for / in unveil or in the plugin's unveil_paths",
  });
}

function noOwnTmp(reason: string): DriverError {
  const summary = `tmp_size gives the task a /tmp of its own, but this task has the host's: ${reason}`;
  return new DriverError("CONFIG_INVALID", summary, {
    option: "tmp_size",
    hint: "Leave out tmp_size, or what gives the task the host's /tmp",
  });
}

function delegatedRule(path: string): UnveilRule {
  return { path, mode: modeOf("rwc"), sources: ["cgroup_delegate"], ownRoot: true, madeByTask: true };
}

/** The rights are those on the task's temporary folder. */
function tmpRule(rule: UnveilRule): UnveilRule {
  return { ...rule, mode: unionOfModes(rule.mode, modeOf("rwxc")), ownRoot: true };
}

/** Files of the host's, or of the task's own, that a root has which is made of a folder. */
export const namesInRootDir: readonly string[] = ["/etc/hosts", "/etc/resolv.conf"];

/** Whether a default path is also in a root that is made of a folder. */
function isInEveryRoot(path: string): boolean {
  return ["/dev", "/proc", TMP].some((each) => isAtOrBelow(path, each)) || namesInRootDir.includes(path);
}

/**
 * Rules for the folder that the root is made of. A rule for `/` would open all of /proc, too, so that it only allows
 * listing.
 */
function rootDirRules(
  { isWritable, entries }: RootDirInput,
  rules: readonly UnveilRule[],
  folders: TaskFolders,
  privateTmp: boolean,
): UnveilRule[] {
  const others = [
    ...["/proc", "/dev", ...(privateTmp ? [TMP] : [])],
    ...Object.values<string>({ ...folders }),
    ...rules.map(({ path, target = path }) => target).filter((path) => !namesInRootDir.includes(path)),
  ];
  const common = { sources: ["root_dir"] as const };
  return [
    { ...common, path: "/", mode: modeOf("r"), listing: true, inRootDir: "folder" },
    ...entries(others).map(({ path, kind }): UnveilRule => {
      return { ...common, path, mode: modeOf(isWritable ? "rwxc" : "rx"), inRootDir: kind };
    }),
  ];
}

/** Path of the host's `/tmp`, and of a task's own `/tmp`. */
export const TMP = "/tmp";

/** A task's own terminals. */
export const PTS = "/dev/pts";

/**
 * Rules for a private root's own folders. If the options name such a folder, or a path around or below it,
 * the task gets the host's folder instead.
 */
function ownRootRules(folders: readonly UnveilEntry[], configured: readonly UnveilEntry[]): UnveilRule[] {
  return folders
    .filter((own) =>
      configured.every(({ path }) => !isAtOrBelow(path, own.path) && !isAtOrBelow(own.path, path)),
    )
    .map(({ path, mode, source }) => ({ path, mode, sources: [source], ownRoot: true }));
}

/**
 * The rule for the parent of the task's own folders, which is its working directory: tasks may list it. Files of
 * agents may be there, too, so tasks may not read it.
 */
function ownFolderRules(
  { unveilDefaults }: UnveilInput["options"],
  { rootDir }: TaskFolders,
  entries: readonly UnveilEntry[],
): UnveilRule[] {
  if (!unveilDefaults || entries.some(({ path }) => path === rootDir)) return [];
  return [{ path: rootDir, mode: modeOf("r"), sources: ["folder"], listing: true }];
}

function mountRule({ kind, source, target, mode, own }: PlacedMount): UnveilRule {
  const rule: UnveilRule = { path: source, mode, sources: [kind], ...(source === target ? {} : { target }) };
  return own === undefined ? rule : { ...rule, beneath: own.anchor, withoutLinks: true };
}

function memoryRule({ target }: MemoryMount): UnveilRule {
  return { path: target, mode: modeOf("rwxc"), sources: ["mount"], ownRoot: true, inMemory: true };
}

function whyTmpIsShared(
  { privateTmp }: UnveilInput["options"],
  configured: readonly UnveilEntry[],
  folders: TaskFolders,
): string | null {
  if (!privateTmp) return "the plugin option private_tmp is false";
  const host = configured.find(({ path }) => isAtOrBelow(path, TMP));
  if (host !== undefined)
    return `the ${host.source}'s config unveils ${formatUnveil(host)}, which is the host's`;
  // An agent in dev mode has its folders below /tmp, and a bind mount over /tmp would hide them.
  const hidden = Object.values<string>({ ...folders }).find((folder) => isAtOrBelow(folder, TMP));
  return hidden === undefined ? null : `the task's own folder ${hidden} is below ${TMP}`;
}

function folderEntries({ taskDir, allocDir, secretsDir, tmpDir }: TaskFolders): UnveilEntry[] {
  return [
    entry("rwxc", taskDir),
    entry("rwxc", allocDir),
    // Without x, because the file system of this folder is mounted noexec.
    entry("rwc", secretsDir),
    // With x, like the task's other folders: build tools and installers run what they unpack there.
    entry("rwxc", tmpDir),
  ];
  // The path is not parsed as an option's entry, because it contains the task's name, and this name may
  // contain pattern characters.
  function entry(letters: string, path: string): UnveilEntry {
    return { path, mode: modeOf(letters), source: "folder" };
  }
}

function merge(entries: readonly UnveilEntry[], binds: ReadonlyMap<string, string>): UnveilRule[] {
  const rules = new Map<string, UnveilRule>();
  for (const { path: target, mode, source, optional } of entries) {
    const path = binds.get(target) ?? target;
    const present = rules.get(path);
    // The job's entries come last. A file that is bound over the path is the task's own.
    const isJobs = source === "task" && !binds.has(target);
    const jobMode = isJobs ? without(mode, present?.mode ?? modeOf("")) : undefined;
    rules.set(path, {
      path,
      mode: present ? unionOfModes(present.mode, mode) : mode,
      sources: present ? [...new Set([...present.sources, source])] : [source],
      ...jobModeOf(present?.jobMode, jobMode),
      ...(optional && !isRequired(present) && { optional }),
    });
  }
  return [...rules.values()];
}

function isRequired(rule: UnveilRule | undefined): boolean {
  return rule !== undefined && isConfigured(rule) && !rule.optional;
}

function jobModeOf(one: UnveilMode | undefined, other: UnveilMode | undefined): Pick<UnveilRule, "jobMode"> {
  const jobMode = unionOfModes(one ?? modeOf(""), other ?? modeOf(""));
  return isNothing(jobMode) ? {} : { jobMode };
}

/** Sets `beneath` for each configured path below a folder in which tasks may create files. */
function confine(rules: readonly UnveilRule[]): UnveilRule[] {
  // No path leads out of /.
  const writable = rules.filter(({ mode, path }) => mode.create && path !== "/").map(({ path }) => path);
  return rules.map((rule) => {
    if (!isConfigured(rule)) return rule;
    const around = writable.filter((folder) => folder !== rule.path && isAtOrBelow(rule.path, folder));
    const [beneath] = around.sort((one, other) => one.length - other.length);
    return beneath === undefined ? rule : { ...rule, beneath };
  });
}
