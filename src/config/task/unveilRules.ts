/** Which paths a task may reach: the defaults, its own folders, and what the plugin and the job add. Pure. */
import { defaultEntries } from "../options/defaultPaths.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";
import type { TaskOptions } from "../options/taskOptions.ts";
import {
  formatUnveil,
  isAtOrBelow,
  parseUnveil,
  type UnveilEntry,
  type UnveilMode,
  type UnveilSource,
  unionOfModes,
} from "../options/unveil.ts";
import type { TaskFolders } from "./taskFolders.ts";
import { mountAround, type PlacedMount } from "./taskMounts.ts";

/** A path that another one is bound over in the task's mount namespace. */
export interface BoundPath {
  readonly target: string;
  /** What is found at `target` then, such as a generated resolv.conf. */
  readonly source: string;
}

export interface UnveilInput {
  readonly options: PluginOptions;
  readonly task: TaskOptions;
  readonly folders: TaskFolders;
  /** What is bound over single paths; the private `/tmp` need not be named. */
  readonly bound?: readonly BoundPath[];
  readonly mounts?: readonly PlacedMount[];
}

/** One path with all that is allowed there, and who asked for it. */
export interface UnveilRule {
  readonly path: string;
  readonly mode: UnveilMode;
  readonly sources: readonly UnveilSource[];
  /**
   * The outermost folder around the path in which tasks may create files: an earlier
   * run may have put a symlink there, so the path must not lead out of that folder.
   */
  readonly beneath?: string;
  /** Where the task sees it, if elsewhere: the rule is laid on what is mounted there. */
  readonly at?: string;
}

export interface UnveilRules {
  /** At most one for a path, and one for each mount. */
  readonly entries: readonly UnveilRule[];
  /** Whether the task's own temporary folder is to be bound over `/tmp`. */
  readonly privateTmp: boolean;
  /** Why `/tmp` is the host's, where it is. */
  readonly sharedTmpReason: string | null;
}

/** Whether the plugin's or the task's options name the path, and not the driver alone. */
export function isConfigured({ sources }: UnveilRule): boolean {
  return sources.includes("plugin") || sources.includes("task");
}

/**
 * Puts a task's rules together. A rule on a path that something is bound over is
 * laid on what is bound: Landlock looks at what is really found there, and skips
 * what lies hidden below a mount. What an entry names in a volume, the volume's own
 * rule allows already.
 */
export function unveilRules({ options, task, folders, bound = [], mounts = [] }: UnveilInput): UnveilRules {
  const configured = [
    ...options.unveilPaths.map((entry) => parseUnveil(entry, "plugin")),
    ...task.unveil.map((entry) => parseUnveil(entry, "task")),
  ];
  const sharedTmpReason = whyTmpIsShared(options, configured, folders);
  const privateTmp = sharedTmpReason === null;
  const implied = options.unveilDefaults ? [...defaultEntries, ...folderEntries(folders)] : [];
  const binds = new Map(bound.map(({ target, source }) => [target, source]));
  if (privateTmp) binds.set(TMP, folders.tmpDir);
  // The default `rwc:/tmp` never means the host's, which all users share.
  const entries = [...implied.filter(({ path }) => privateTmp || path !== TMP), ...configured];
  const covering = mounts.filter(({ source, target }) => source !== target);
  const seen = entries.filter(({ path }) => mountAround(path, covering) === undefined);
  const rules = [...confine(merge(seen, binds)), ...mounts.map(mountRule)];
  return { entries: rules, privateTmp, sharedTmpReason };
}

/** What the host's `/tmp` and a task's own are called. */
export const TMP = "/tmp";

function mountRule({ kind, source, target, mode }: PlacedMount): UnveilRule {
  return { path: source, mode, sources: [kind], ...(source === target ? {} : { at: target }) };
}

function whyTmpIsShared(
  { privateTmp }: PluginOptions,
  configured: readonly UnveilEntry[],
  folders: TaskFolders,
): string | null {
  if (!privateTmp) return "the plugin option private_tmp is false";
  const host = configured.find(({ path }) => isAtOrBelow(path, TMP));
  if (host !== undefined)
    return `the ${host.source}'s config unveils ${formatUnveil(host)}, which is the host's`;
  // As with an agent in dev mode: what is bound over /tmp would hide them.
  const hidden = Object.values<string>({ ...folders }).find((folder) => isAtOrBelow(folder, TMP));
  return hidden === undefined ? null : `the task's own folder ${hidden} is below it`;
}

function folderEntries({ taskDir, allocDir, secretsDir, tmpDir }: TaskFolders): UnveilEntry[] {
  return [
    entry(`rwxc:${taskDir}`),
    entry(`rwxc:${allocDir}`),
    // A small file system without execution, so x would promise what mount(8) refuses.
    entry(`rwc:${secretsDir}`),
    // With x, as the task's other folders: build tools and installers run what they unpack there.
    entry(`rwxc:${tmpDir}`),
  ];
  function entry(text: string): UnveilEntry {
    return parseUnveil(text, "folder");
  }
}

function merge(entries: readonly UnveilEntry[], binds: ReadonlyMap<string, string>): UnveilRule[] {
  const rules = new Map<string, UnveilRule>();
  for (const { path: asked, mode, source } of entries) {
    const path = binds.get(asked) ?? asked;
    const present = rules.get(path);
    rules.set(path, {
      path,
      mode: present ? unionOfModes(present.mode, mode) : mode,
      sources: present ? [...new Set([...present.sources, source])] : [source],
    });
  }
  return [...rules.values()];
}

/** What the plugin or the job names below a folder that is open to tasks is marked with that folder. */
function confine(rules: readonly UnveilRule[]): UnveilRule[] {
  // Of /, nothing could be led out.
  const open = rules.filter(({ mode, path }) => mode.create && path !== "/").map(({ path }) => path);
  return rules.map((rule) => {
    if (!isConfigured(rule)) return rule;
    const around = open.filter((folder) => folder !== rule.path && isAtOrBelow(rule.path, folder));
    const [beneath] = around.sort((one, other) => one.length - other.length);
    return beneath === undefined ? rule : { ...rule, beneath };
  });
}
