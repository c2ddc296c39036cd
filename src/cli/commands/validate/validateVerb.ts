import { type Assignments, collectAssignment, single, skipOption, variableFileOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly var?: Assignments;
  readonly varFile?: readonly string[];
  readonly skip?: readonly string[];
  readonly option?: Assignments;
  readonly pluginConfig?: string;
  readonly json?: boolean;
}

export const addValidate: AddVerb = (program, exit) => {
  program
    .command("validate")
    .argument("<file...>", "job files, HCL2 or JSON, and configurations of an agent; - reads standard input")
    .summary("check job files and the agent's plugin block")
    .description(
      "Checks job files, and the plugin's block in an agent's configuration, and shows every error with its line. " +
        "Looks at the files only: users, paths and commands are looked for when a task starts. Needs no root.",
    )
    .option("--var <name=value>", "value of a variable of the job files; may be repeated", collectAssignment)
    .option(...variableFileOption)
    .option(...skipOption)
    .option("-o, --option <name=value>", "option of the plugin; repeat it for lists", collectAssignment)
    .option("--plugin-config <file>", "options of the plugin, as in its block of the agent's configuration")
    .option("--json", "one JSON object for each error")
    .addHelpText(
      "after",
      `
Exit codes: 0 all files are valid, 1 one is not.

Examples:
  nomad-driver-exec2 validate web.nomad.hcl
  nomad-driver-exec2 validate /etc/nomad.d/client.hcl
  nomad-driver-exec2 validate --json *.hcl | jq .message`,
    )
    .action(async (files: string[], options: Options) => exit(await act(files, options)));
};

async function act(files: readonly string[], options: Options): Promise<number> {
  const { readPluginConfig } = await import("../../../client/plugin/pluginConfig.ts");
  const { validate } = await import("./validate.ts");
  const config = await readPluginConfig(options.pluginConfig, options.option);
  const { readVariableFiles } = await import("../run/readJobFile.ts");
  return validate(files, {
    config,
    variables: single(options.var),
    variableFiles: await readVariableFiles(options.varFile ?? []),
    skips: options.skip ?? [],
    json: options.json ?? false,
  });
}
