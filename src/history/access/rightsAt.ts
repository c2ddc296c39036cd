/** The rights of a task at a path of its root. Pure. */

import { isAtOrBelow } from "../../effects/paths/paths.ts";
import type { UnveilSource } from "../../effects/unveil/unveil.ts";
import { isTaskFolder } from "../../effects/unveil/unveil.ts";
import type { EventData } from "../../machines/events.ts";

type Unveiled = EventData<"sandboxed">["unveiled"][number];

export interface RightsAt {
  /** Letters of an unveil entry, in the order rwxc; empty if the task has none. */
  readonly rights: string;
  /** The sources that unveiled the path: {@link UnveilSource}s. */
  readonly sources: readonly string[];
  /** Whether a path below this one is unveiled. */
  readonly leads: boolean;
}

/**
 * Landlock's rights add up along a path.
 * @param unveiled entries with their paths in the task, without symlinks
 */
export function rightsAt(path: string, unveiled: readonly Unveiled[]): RightsAt {
  const around = unveiled.filter((rule) => isAtOrBelow(path, rule.path));
  const rights = [..."rwxc"].filter((letter) => around.some(({ mode }) => mode.includes(letter)));
  return {
    rights: rights.join(""),
    sources: [...new Set(around.flatMap(({ source }) => source.split(", ")))],
    leads: unveiled.some((rule) => rule.path !== path && isAtOrBelow(rule.path, path)),
  };
}

/**
 * The paths in the task that a rule unveils. The task has some folders and files at a different path than
 * the host.
 */
export function pathsInTask(
  { path, source }: Pick<Unveiled, "path" | "source">,
  { runFolder, privateTmp, unveiled }: Pick<EventData<"sandboxed">, "runFolder" | "privateTmp" | "unveiled">,
): string[] {
  if (runFolder !== "" && path.startsWith(`${runFolder}/`))
    return [`/etc/${path.slice(runFolder.length + 1)}`];
  // A /tmp in memory has a rule of its own.
  const isBound = privateTmp && unveiled.every((rule) => rule.path !== "/tmp");
  return isBound && isTaskFolder({ source }) && path.endsWith("/tmp") ? [path, "/tmp"] : [path];
}

/** The sources, as `ls` shows them. */
export const sourceWords: Readonly<Record<UnveilSource, string>> = {
  default: "default paths",
  plugin: "plugin's unveil_paths",
  task: "job's unveil",
  folder: "task's own folder",
  log: "task's output",
  volume: "volume",
  device: "device",
  mount: "job's mount",
  root_dir: "root_dir",
  cgroup_delegate: "task's own cgroups",
};
