import {
  type AddVerb,
  type JobFileOptions,
  jsonOption,
  parseFolder,
  pluginConfigOption,
  pluginOption,
  withJobFileOptions,
} from "../verb.ts";

interface Options extends JobFileOptions {
  readonly agent?: boolean;
  readonly json?: boolean;
  readonly plan?: string;
  readonly showArgs?: boolean;
  readonly stateDir?: string;
}

export const addDoctor: AddVerb = (program, exit) => {
  withJobFileOptions(program.command("doctor"))
    .summary("check whether this host can run tasks")
    .description(
      "Checks what the driver needs: kernel, Landlock, cgroup v2 and its controllers, namespaces, root, a usable " +
        "state folder. Shows what is missing, what follows from it, and how to fix it. Changes nothing. Exits with " +
        "1 if tasks cannot run.",
    )
    .option("--agent", "also ask the agent at NOMAD_ADDR for its version, and say what to know of it")
    .option(...jsonOption)
    .option(
      "--plan <job>",
      "show the launch plan of each task of a job file instead, with masked environment and arguments; the " +
        "options of job files are for this plan",
    )
    .option("--show-args", "with --plan: show arguments of commands, which may contain secrets")
    .option(...pluginOption)
    .option(...pluginConfigOption)
    .option("--state-dir <folder>", "the driver's state_dir", parseFolder)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 doctor
  nomad-driver-exec2 doctor --agent
  nomad-driver-exec2 doctor --json | jq .problems
  nomad-driver-exec2 doctor --plan examples/hello.nomad.hcl`,
    )
    .action(async (options: Options) => exit(await act(options)));
};

async function act(options: Options): Promise<number> {
  const { readPluginConfig } = await import("../../../localAgent/files/pluginConfig.ts");
  const config = await readPluginConfig(options.pluginConfig, options.option, options.stateDir);
  if (options.plan !== undefined) {
    const { showPlans } = await import("./showPlans.ts");
    const { readJobOptions } = await import("../run/readJobFile.ts");
    return showPlans(options.plan, {
      ...config,
      ...(await readJobOptions(options)),
      showArgs: options.showArgs ?? false,
    });
  }
  const { pluginOptionsOf } = await import("../../../localAgent/files/checkFile.ts");
  // A misspelt plugin option fails here as it does with --plan.
  const plugin = pluginOptionsOf(config);
  const { diagnose } = await import("./diagnose.ts");
  const { findAgent } = await import("./agentFinding.ts");
  const agent = options.agent ? await findAgent(process.env) : undefined;
  return diagnose(config.stateDir, options.json ?? false, { plugin, agent });
}
