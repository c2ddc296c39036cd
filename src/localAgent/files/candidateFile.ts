/** Reads a candidate: a job file whose options observed runs are judged by. */
import type { CandidateTask } from "../../driver/observe/candidate.ts";
import { type PluginOptions, parsePluginOptions } from "../../driver/options/pluginOptions.ts";
import { changedOptions } from "../../effects/options/hclOptions.ts";
import { defaultTaskOptions } from "../../effects/parts.ts";
import { jobFile } from "../jobspec/jobFile.ts";
import type { VariableSources } from "../jobspec/resolve/variables.ts";
import { taskOptionsIn } from "./checkFile.ts";
import { hostAccess } from "./hostAccess.ts";
import { readTextFile } from "./textFile.ts";

/**
 * The options of the tasks of a job file, as events have them.
 * @param environment may have values of the job's variables
 * @param plugin of the client, which allows some options and adds others
 * @throws DriverError `CONFIG_INVALID` if the file cannot be read or the client does not allow an option
 * @throws DriverError `JOB_INVALID`, `JOB_NEEDS_CLUSTER` as {@link taskOptionsIn}
 */
export async function readCandidate(
  path: string,
  environment: VariableSources["environment"],
  plugin = allowingClient(),
): Promise<readonly CandidateTask[]> {
  const source = await readTextFile(path, "CONFIG_INVALID", "candidate");
  const file = jobFile(path, source, { host: hostAccess(path) });
  const tasks = await taskOptionsIn(file, { given: {}, files: {}, environment }, plugin);
  return tasks.map(({ options, ...place }) => ({
    ...place,
    options: changedOptions(options, defaultTaskOptions()),
  }));
}

/** A client that allows what jobs may ask for: whether another one does is no matter of what the runs used. */
function allowingClient(): PluginOptions {
  const flags = [
    ...["unveil_by_task", "allow_root", "allow_host_root", "allow_root_dir", "allow_idmapped_volumes"],
    ...[
      "allow_host_ipc",
      "allow_host_pid",
      "allow_raised_ulimits",
      "allow_cgroup_delegate",
      "allow_journald",
    ],
  ];
  return parsePluginOptions({
    ...Object.fromEntries(flags.map((name) => [name, true])),
    ...{ allow_caps: ["all"], allow_seccomp: ["all"], allowed_users: ["*"] },
  });
}
