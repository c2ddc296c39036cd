import { DriverError } from "../../../base/errors.ts";
import {
  type AddVerb,
  type JobFileOptions,
  jsonOption,
  pluginConfigOption,
  pluginOption,
  runOption,
  stateDirOrBundleOption,
  taskOrBundle,
  withJobFileOptions,
} from "../verb.ts";

interface Options extends JobFileOptions {
  readonly json?: boolean;
  readonly run?: number;
  readonly stateDir: string;
  readonly prove?: string;
  readonly network?: boolean;
}

export const addWhy: AddVerb = (program, exit) => {
  const command = program
    .command("why")
    .argument("[task]", taskOrBundle)
    .summary("explain how a task ended")
    .description(
      "Explains what happened to a task: its exit code or signal, running out of memory, who stopped it, why it " +
        "never started, or why it was lost. Numbers in brackets refer to the events that show it. With --prove, " +
        "starts a failed run again with one change at a time, and says which change helps.",
    )
    .option(...runOption)
    .option(...jsonOption)
    .option(...stateDirOrBundleOption)
    .option(
      "--prove <job>",
      "start the run again: with what its cause advises, and with what its last good run had; its environment is that of this job file",
    )
    .option("--network", "with --prove: with the task's network, and not without any");
  withJobFileOptions(command)
    .option(...pluginOption)
    .option(...pluginConfigOption)
    .addHelpText(
      "after",
      `
The options that read a job file or give options of the plugin are for --prove.
Exit codes of --prove: 0 a change helps, 1 none does, 2 the run does not fail
this time, 130 after Ctrl-C; other codes than 0 to 2 for what cannot be tried.

Examples:
  nomad-driver-exec2 why web
  nomad-driver-exec2 why 6f2d4a9e --json
  nomad-driver-exec2 why bundle.jsonl
  nomad-driver-exec2 why web --prove web.nomad.hcl`,
    )
    .action(async (task: string | undefined, options: Options) => exit(await act(task, options)));
};

async function act(task: string | undefined, options: Options): Promise<number> {
  const { json = false, run, stateDir, prove, network = false } = options;
  const { locate } = await import("../../histories/eventLogs.ts");
  const place = locate(task, stateDir, run);
  if (prove === undefined) {
    refuseWithoutProve(options);
    const { showWhy } = await import("./showWhy.ts");
    return showWhy(place, json);
  }
  if (json) throw new DriverError("CONFIG_INVALID", "--json is not for why --prove");
  const { readPluginConfig } = await import("../../../localAgent/files/pluginConfig.ts");
  const { readJobOptions } = await import("../run/readJobFile.ts");
  const { proveWhy } = await import("./proveWhy.ts");
  return proveWhy(place, prove, {
    ...(await readPluginConfig(options.pluginConfig, options.option, stateDir)),
    ...(await readJobOptions(options)),
    ...{ verbose: false, raw: false, keep: false, json: false, network },
    hasPluginBlock: options.pluginConfig !== undefined,
  });
}

function refuseWithoutProve({ json: _, run: __, stateDir: ___, files, ...others }: Options): void {
  const given = { ...others, ...(files !== true && { files }) };
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (name === undefined) return;
  const option = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new DriverError("CONFIG_INVALID", `${option} is for why --prove`);
}
