import {
  type AddVerb,
  type JobFileOptions,
  pluginConfigOption,
  pluginOption,
  withJobFileOptions,
} from "../verb.ts";

interface Options extends JobFileOptions {
  readonly json?: boolean;
  readonly valuesTemplate?: boolean;
}

export const addValidate: AddVerb = (program, exit) => {
  withJobFileOptions(program.command("validate"))
    .argument("<file...>", "job files (HCL2 or JSON) or agent configurations; - reads standard input")
    .summary("check job files and agent configurations")
    .description(
      "Checks job files, and this driver's block in agent configurations, and shows every error with its line. " +
        "Reads only the files: users, paths and commands are checked when a task starts. Notes what is valid, but " +
        "lacks in a local run. Does not need root.",
    )
    .option(...pluginOption)
    .option(...pluginConfigOption)
    .option(
      "--values-template",
      "print an example file for --values, with what the job's templates ask servers for",
    )
    .option("--json", "print errors and notes as JSON, one object per line")
    .addHelpText(
      "after",
      `
Exit codes: 0 all files are valid, 1 otherwise.

Examples:
  nomad-driver-exec2 validate web.nomad.hcl
  nomad-driver-exec2 validate /etc/nomad.d/client.hcl
  nomad-driver-exec2 validate --values-template web.nomad.hcl > values.hcl
  nomad-driver-exec2 validate --json *.hcl | jq .message`,
    )
    .action(async (files: string[], options: Options) => {
      const { readPluginConfig } = await import("../../../localAgent/files/pluginConfig.ts");
      const { validate } = await import("./validate.ts");
      const { readJobOptions } = await import("../run/readJobFile.ts");
      const config = await readPluginConfig(options.pluginConfig, options.option);
      const jobOptions = await readJobOptions(options);
      exit(
        await validate(files, {
          ...jobOptions,
          config,
          json: options.json ?? false,
          valuesTemplate: options.valuesTemplate ?? false,
        }),
      );
    });
};
