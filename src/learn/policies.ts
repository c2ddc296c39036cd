/** Computes the options of each task from the observed accesses of a run's tasks. Pure. */

import type { PluginOptions } from "../driver/options/pluginOptions.ts";
import { seesOwnCgroup } from "../effects/cgroup/options.ts";
import { egressBeyond, egressProblem } from "../effects/egress/egress.ts";
import type { TaskFolders } from "../effects/layout/layout.ts";
import type { Access } from "../effects/observe/access.ts";
import { isAtOrBelow } from "../effects/paths/paths.ts";
import { identityPaths, privateRootPaths } from "../effects/unveil/defaultPaths.ts";
import type { PathRight } from "../effects/unveil/pathRights.ts";
import { formatUnveil, modeOf, parseUnveil, unveilProblem } from "../effects/unveil/unveil.ts";
import { TMP } from "../effects/unveil/unveilRules.ts";
import { entriesOfSets } from "../effects/unveil/unveilSets.ts";
import type { Job, Task } from "../localAgent/jobspec/job.ts";
import { type HostView, type Learned, learnPolicy } from "./policy.ts";

/** Options of a task's `config` block that a learned policy sets. */
export interface LearnedOptions {
  /** The entries of the job file, unchanged, and then the new ones. */
  readonly unveil: readonly string[];
  readonly identityFiles: boolean;
  /** What the job file's lists lack. Options that the job file does not set are left out. */
  readonly lists: NetworkLists;
}

/** Ports and destinations by option. */
export type NetworkLists = Readonly<
  Partial<Record<"connect_tcp" | "bind_tcp", readonly number[]> & Record<"egress", readonly string[]>>
>;

/** Paths that differ between the instances of a task. */
export interface OwnPlaces {
  readonly folders: TaskFolders;
  /** Folder of the instance's allocation. */
  readonly allocation: string;
  readonly mounts: readonly { readonly path: string; readonly readOnly: boolean }[];
}

/** Computes a task's policy from the observed accesses of all its instances. */
export function policyOf(
  task: Task,
  instances: readonly (OwnPlaces & { readonly accesses: readonly Access[] })[],
  plugin: PluginOptions,
  host: HostView,
): Learned {
  const written = [...plugin.unveilPaths, ...entriesOf(task)].flatMap((entry) =>
    // Entries with references that only an allocation resolves are skipped: these paths are in the
    // allocation's own folders.
    unveilProblem(entry) === undefined ? parseUnveil(entry, "task") : [],
  );
  const configured = [...written, ...entriesOfSets({ unveilSets: textsOf(task, "unveil_sets") }, plugin)];
  // An entry below /tmp means the host's /tmp. The task then has no /tmp of its own.
  const ownTmp = plugin.privateTmp && configured.every(({ path }) => !isAtOrBelow(path, TMP));
  return learnPolicy(
    instances.flatMap(({ accesses }) => accesses),
    {
      paths: [
        ...(plugin.unveilDefaults ? privateRootPaths(hasCgroupView(task)) : []),
        ...(plugin.unveilDefaults && ownTmp ? [{ path: TMP, mode: anything }] : []),
        ...(hasIdentityFiles(task, plugin) ? identityPaths : []),
        ...configured,
        ...instances.flatMap((instance) => pathsOf(instance, plugin)),
      ],
      allocations: instances.map(({ allocation }) => allocation),
    },
    host,
  );
}

const anything = modeOf("rwxc");

function pathsOf({ folders, mounts }: OwnPlaces, plugin: PluginOptions): PathRight[] {
  const { taskDir, allocDir, secretsDir, tmpDir } = folders;
  const own = plugin.unveilDefaults ? [taskDir, allocDir, tmpDir, secretsDir] : [];
  return [
    ...own.map((path) => ({ path, mode: anything })),
    ...mounts.map(({ path, readOnly }) => ({ path, mode: readOnly ? modeOf("rx") : anything })),
  ];
}

function hasIdentityFiles({ config }: Task, plugin: PluginOptions): boolean {
  return config.identity_files === undefined ? plugin.identityFiles : config.identity_files === true;
}

function hasCgroupView({ config }: Task): boolean {
  return seesOwnCgroup({
    cgroupView: config.cgroup_view === "own" ? "own" : "none",
    cgroupDelegate: config.cgroup_delegate === true,
    pidMode: config.pid_mode === "host" ? "host" : "private",
  });
}

/** The ports and destinations that a task used and that its options' lists lack. */
export function lackingIn({ config }: Task, { connectTcp, bindTcp, egress }: Learned): NetworkLists {
  const portsIn = (present: readonly unknown[], ports: readonly number[]) =>
    ports.filter((port) => !present.map(Number).includes(port));
  // Entries with references that only an allocation resolves cover nothing that is known here.
  const entriesIn = (present: readonly unknown[]) =>
    egressBeyond(
      egress,
      present.map(String).filter((text) => egressProblem(text) === undefined),
    );
  const lacking = {
    connect_tcp: (present: readonly unknown[]) => portsIn(present, connectTcp),
    bind_tcp: (present: readonly unknown[]) => portsIn(present, bindTcp),
    egress: entriesIn,
  };
  return Object.fromEntries(
    Object.entries(lacking).flatMap(([option, lackingOf]) => {
      const present = config[option];
      const items = Array.isArray(present) ? lackingOf(present) : [];
      return items.length === 0 ? [] : [[option, items]];
    }),
  );
}

/** The entries of the job file, before references are replaced. */
export function entriesOf(task: Task): string[] {
  return textsOf(task, "unveil");
}

function textsOf({ config }: Task, option: string): string[] {
  const texts = config[option];
  return Array.isArray(texts) ? texts.map(String) : [];
}

/** Options of the plugin or a task without those that limit ports and destinations. */
function withoutLists(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { connect_tcp, bind_tcp, connect_udp, bind_udp, egress, ...rest } = config;
  return rest;
}

/**
 * The job for the observed run, in which no access to files, ports and addresses is refused, but for
 * `egress_denied`. The host's passwd(5) lacks
 * dynamic users, so each task has its own passwd(5), unless the job sets `identity_files`.
 */
export function withoutRefusals(job: Job): Job {
  return mapTasks(job, (task) => ({ identity_files: true, ...withoutLists(task.config) }));
}

/**
 * The options of the plugin for the observed run. The host's tree is open by an option of the plugin, because
 * a job may not open a tree that has a second proc file system.
 */
export function pluginWithoutRefusals(
  config: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { unveil_paths } = config;
  const paths: readonly unknown[] = Array.isArray(unveil_paths) ? unveil_paths : [];
  return { ...withoutLists(config), unveil_paths: [...paths, "rwxc:/"] };
}

/** The job with the learned options of its tasks. */
export function withLearned(job: Job, learned: (group: string, task: Task) => LearnedOptions): Job {
  return mapTasks(job, (task, group) => {
    const { unveil, identityFiles, lists } = learned(group, task);
    const longer = Object.entries(lists).map(([option, added]) => [
      option,
      [...((task.config[option] as unknown[] | undefined) ?? []), ...added],
    ]);
    return {
      ...task.config,
      ...Object.fromEntries(longer),
      ...(unveil.length > 0 ? { unveil } : {}),
      ...(identityFiles ? { identity_files: true } : {}),
    };
  });
}

function mapTasks(job: Job, configOf: (task: Task, group: string) => Task["config"]): Job {
  return {
    ...job,
    groups: job.groups.map((group) => ({
      ...group,
      tasks: group.tasks.map((task) => ({ ...task, config: configOf(task, group.name) })),
    })),
  };
}

/** Entries as text, in the form of the option. */
export function formatted(entries: readonly PathRight[]): string[] {
  return entries.map(formatUnveil);
}
