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
    .argument("<job>", "job file, HCL2 or JSON; - reads standard input")
    .summary("run a job on this host, without a Nomad cluster")
    .description(
      "Runs the tasks of a job file as a Nomad client would: through the driver, in their sandboxes, with their " +
        "own folders, users, ports and cgroups. Ctrl-C stops the tasks; a second Ctrl-C kills them.",
    )
    .option("--var <name=value>", "set a variable of the job; repeatable", collectAssignment)
    .option(...variableFileOption)
    .option(...skipOption)
    .option("-v, --verbose", "show the driver's events and log")
    .option("--raw", "pass the tasks' output on unchanged, without their names")
    .option("-o, --option <name=value>", "plugin option; repeat it for lists", collectAssignment)
    .option(
      "--plugin-config <file>",
      "file with the plugin's options, alone or in the plugin block of an agent's configuration",
    )
    .option(
      "--host-volume <name=path>",
      "path of a host volume, as in a client's configuration; may be repeated",
      collectAssignment,
    )
    .option("--state-dir <folder>", "the driver's state_dir; the run's event log is below its local/")
    .option("--keep", "keep the tasks' folders")
    .addHelpText(
      "after",
      `
Exit codes: that of the task (of several tasks, the first that is not 0), or
128 + signal; 127 command not found, 126 any other failure to start the task,
125 run itself failed, such as for an invalid job.

A single task's output to a file or pipe is raw. Tasks inherit LANG, LC_… and
TZ from your environment; their PATH is that of a service. unveil_by_task is on
by default, unlike on a client: -o unveil_by_task=false turns it off.

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
