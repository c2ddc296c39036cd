import { DriverError } from "../../../base/errors.ts";
import { parseDuration } from "../../../units/durations.ts";
import {
  type AddVerb,
  type JobFileOptions,
  parseFolder,
  pluginConfigOption,
  pluginOption,
  withJobFileOptions,
} from "../verb.ts";

interface Options extends JobFileOptions {
  readonly stateDir?: string;
  readonly verbose?: boolean;
  readonly raw?: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
  readonly learn?: boolean;
  readonly write?: boolean;
  readonly stopAfter?: string;
  readonly tries?: string;
}

export const addRun: AddVerb = (program, exit) => {
  withJobFileOptions(program.command("run"))
    .argument("<job>", "job file, HCL2 or JSON; - reads standard input")
    .summary("run a job on this host, without a Nomad cluster")
    .description(
      "Runs the tasks of a job file as a Nomad client would: through the driver, in their sandboxes, with their " +
        "own folders, users, ports and cgroups. Ctrl-C stops the tasks; a second Ctrl-C kills them.",
    )
    .option("-v, --verbose", "show the driver's events and log")
    .option("--raw", "pass the tasks' output on unchanged, without their names, even to a terminal")
    .option(...pluginOption)
    .option(...pluginConfigOption)
    .option(
      "--state-dir <folder>",
      "the driver's state_dir; the run's event log is in its subfolder local/",
      parseFolder,
    )
    .option("--keep", "keep the tasks' folders")
    .option("--json", "print what happens as JSON, one object per line: the last one has the exit code")
    .option("--learn", "find out which options the tasks need, and print them")
    .option("--write", "with --learn: add these options to the job file")
    .option("--stop-after <time>", "with --learn: stop the tasks after this time, such as 30s")
    .option("--tries <number>", "with --learn: maximum number of runs; default: 40")
    .addHelpText(
      "after",
      `
Exit codes: the task's own (of several tasks, the first that is not 0), or
128 + signal; 127 command not found, 126 any other failure to start the task,
125 run itself failed, such as for an invalid job.

A single task's output to a file or pipe is raw. A terminal gets text and colours
only: no other control sequences of a task, unless --raw is given. Tasks inherit
LANG, LC_… and TZ from your environment; their PATH is that of a service.
unveil_by_task is on by default, unlike on a client: -o unveil_by_task=false
turns it off.

Examples:
  nomad-driver-exec2 run examples/hello.nomad.hcl
  nomad-driver-exec2 run -v --var message=hi examples/hello.nomad.hcl
  nomad-driver-exec2 run --task web --values secrets.hcl shop.nomad.hcl
  nomad-driver-exec2 run -o unveil_paths=r:/srv -o unveil_paths=rx:/opt/bin web.hcl
  nomad job run -output web.hcl | nomad-driver-exec2 run -`,
    )
    .action(async (path: string, options: Options) => exit(await act(path, options)));
};

async function act(path: string, options: Options): Promise<number> {
  const { readPluginConfig } = await import("../../../localAgent/files/pluginConfig.ts");
  const { runJob, runJobAsJson } = await import("./runJob.ts");
  const pluginConfig = await readPluginConfig(options.pluginConfig, options.option, options.stateDir);
  const { readJobOptions } = await import("./readJobFile.ts");
  const { verbose = false, raw = false, keep = false, json = false } = options;
  const runOptions = {
    ...pluginConfig,
    ...(await readJobOptions(options)),
    ...{ verbose, raw, keep, json },
    hasJobOptions: hasJobOptions(options),
  };
  if (options.learn !== true) {
    refuseWithoutLearn(options);
    return json ? runJobAsJson(path, runOptions) : runJob(path, runOptions);
  }
  if (json) throw new DriverError("CONFIG_INVALID", "--json is not for run --learn");
  const { learnJob } = await import("./learnJob.ts");
  const { write = false } = options;
  return learnJob(path, {
    ...runOptions,
    write,
    stopAfterMs: stopAfterOf(options),
    tries: triesOf(options),
  });
}

/** Whether there are options of the job file or the plugin. */
function hasJobOptions({
  stateDir: _,
  verbose,
  raw,
  keep,
  json,
  task,
  files = true,
  ...others
}: Options): boolean {
  return files !== true || Object.keys(others).length > 0;
}

function refuseWithoutLearn({ write, stopAfter, tries }: Options): void {
  const [option] = Object.entries({ "--write": write, "--stop-after": stopAfter, "--tries": tries }).find(
    ([, value]) => value !== undefined,
  ) ?? [undefined];
  if (option !== undefined) throw new DriverError("CONFIG_INVALID", `${option} is for run --learn`);
}

function stopAfterOf({ stopAfter }: Options): number | undefined {
  if (stopAfter === undefined) return undefined;
  const milliseconds = parseDuration(stopAfter);
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  throw new DriverError("CONFIG_INVALID", `--stop-after ${stopAfter}: not a duration`, {
    hint: "Give a duration such as 30s or 2m",
  });
}

function triesOf({ tries = "40" }: Options): number {
  if (/^[1-9]\d{0,3}$/.test(tries) && tries !== "1") return Number(tries);
  throw new DriverError("CONFIG_INVALID", `--tries ${tries}: not a number from 2 to 9999`, {
    hint: "It takes at least two runs: one to see what the job uses, one to try these options",
  });
}
