import { type Assignments, collectAssignment, single } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly plan?: string;
  readonly showArgs?: boolean;
  readonly var?: Assignments;
  readonly option?: Assignments;
  readonly hostVolume?: Assignments;
  readonly pluginConfig?: string;
  readonly stateDir?: string;
}

export const addDoctor: AddVerb = (program, exit) => {
  program
    .command("doctor")
    .summary("tell whether this host can run tasks, and what to do if it cannot")
    .description(
      "Looks at what the driver needs of this host: kernel, Landlock, cgroup v2 and its controllers, namespaces, " +
        "root, a usable state folder. Tells what is missing, what that means and what to do about it. Exits with 1 " +
        "if tasks cannot run. Changes nothing.",
    )
    .option("--json", "the same as one JSON object")
    .option(
      "--plan <job>",
      "instead, show the launch plan of each task of a job file, environment and arguments masked",
    )
    .option("--show-args", "with --plan: show arguments of commands, which may hold secrets")
    .option("--var <name=value>", "with --plan: value of a variable of the job file", collectAssignment)
    .option("-o, --option <name=value>", "option of the plugin; repeat it for lists", collectAssignment)
    .option("--plugin-config <file>", "options of the plugin, as in its block of the agent's configuration")
    .option("--host-volume <name=path>", "with --plan: path of a host volume of the job", collectAssignment)
    .option("--state-dir <folder>", "the driver's state_dir")
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 doctor
  nomad-driver-exec2 doctor --json | jq .problems
  nomad-driver-exec2 doctor --plan examples/hello.nomad.hcl`,
    )
    .action(async (options: Options) => exit(await act(options)));
};

async function act(options: Options): Promise<number> {
  const { readPluginConfig } = await import("../../../client/plugin/pluginConfig.ts");
  const config = await readPluginConfig(options.pluginConfig, options.option, options.stateDir);
  if (options.plan !== undefined) {
    const { showPlans } = await import("./showPlans.ts");
    const { hostVolumesOf } = await import("../../../client/allocation/hostVolumes.ts");
    const hostVolumes = hostVolumesOf(single(options.hostVolume));
    return showPlans(options.plan, {
      ...config,
      variables: single(options.var),
      hostVolumes,
      showArgs: options.showArgs ?? false,
    });
  }
  const { pluginOptionsOf } = await import("../../../client/validation/checkFile.ts");
  // A misspelt option is an error here, too.
  pluginOptionsOf(config);
  const { diagnose } = await import("./diagnose.ts");
  return diagnose(config.stateDir, options.json ?? false);
}
