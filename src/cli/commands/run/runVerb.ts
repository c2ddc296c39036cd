import { type Assignments, collectAssignment, single, skipOption, variableFileOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly var?: Assignments;
  readonly varFile?: readonly string[];
  readonly skip?: readonly string[];
  readonly option?: Assignments;
  readonly hostVolume?: Assignments;
  readonly pluginConfig?: string;
  readonly stateDir?: string;
  readonly verbose?: boolean;
  readonly raw?: boolean;
  readonly keep?: boolean;
}

export const addRun: AddVerb = (program, exit) => {
  program
    .command("run")
    .argument("<job>", "job file, HCL2 or JSON; - reads it from standard input")
    .summary("run a job's tasks on this host, without a Nomad cluster")
    .description(
      "Runs the tasks of a job file on this host as a Nomad client would: through the driver itself, in their " +
        "sandboxes, with folders, users, ports and cgroups of their own. Ctrl-C stops the tasks, a second Ctrl-C " +
        "kills them.",
    )
    .option("--var <name=value>", "value of a variable of the job file; may be repeated", collectAssignment)
    .option(...variableFileOption)
    .option(...skipOption)
    .option("-v, --verbose", "show the driver's events and log as they come")
    .option("--raw", "pass the tasks' output on unchanged, without their names")
    .option("-o, --option <name=value>", "option of the plugin; repeat it for lists", collectAssignment)
    .option("--plugin-config <file>", "options of the plugin, as in its block of the agent's configuration")
    .option(
      "--host-volume <name=path>",
      "path of a host volume, as in a client's configuration; may be repeated",
      collectAssignment,
    )
    .option("--state-dir <folder>", "the driver's state_dir; the run's event log is below its local/")
    .option("--keep", "leave the tasks' folders where they are")
    .addHelpText(
      "after",
      `
Exit codes: that of the task (of several, the first that is not 0), or 128 +
signal; 127 if its command is not found, 126 if it cannot be started otherwise,
125 if run itself failed, such as for an invalid job.

The output of a single task into a file or a pipe is raw. Of your environment,
tasks see LANG, LC_… and TZ; their PATH is that of a service. unveil_by_task is
on, unlike in a client's defaults: -o unveil_by_task=false runs without it.

Examples:
  nomad-driver-exec2 run examples/hello.nomad.hcl
  nomad-driver-exec2 run -v --var message=hi examples/hello.nomad.hcl
  nomad-driver-exec2 run -o unveil_paths=r:/srv -o unveil_paths=rx:/opt/bin web.hcl
  nomad job run -output web.hcl | nomad-driver-exec2 run -`,
    )
    .action(async (path: string, options: Options) => exit(await act(path, options)));
};

async function act(path: string, options: Options): Promise<number> {
  const { readPluginConfig } = await import("../../../client/plugin/pluginConfig.ts");
  const { runJob } = await import("./runJob.ts");
  const pluginConfig = await readPluginConfig(options.pluginConfig, options.option, options.stateDir);
  const { readVariableFiles } = await import("./readJobFile.ts");
  const { hostVolumesOf } = await import("../../../client/allocation/hostVolumes.ts");
  const { verbose = false, raw = false, keep = false } = options;
  const hostVolumes = hostVolumesOf(single(options.hostVolume));
  return runJob(path, {
    ...pluginConfig,
    variables: single(options.var),
    variableFiles: await readVariableFiles(options.varFile ?? []),
    hostVolumes,
    skips: options.skip ?? [],
    verbose,
    raw,
    keep,
  });
}
