import { Option } from "commander";
import { DriverError } from "../../../base/errors.ts";
import { type AddVerb, anyTasks, runOption, stateDirOrBundleOption } from "../verb.ts";

interface Options {
  readonly all?: boolean;
  readonly showArgs?: boolean;
  readonly otlp?: boolean;
  readonly sign?: string;
  readonly run?: number;
  readonly stateDir: string;
}

export const addExport: AddVerb = (program, exit) => {
  program
    .command("export")
    .argument("[task...]", anyTasks)
    .summary("export histories as a bundle")
    .description(
      "Writes the events of tasks and their hashes to standard output, as a bundle for replay, events and other " +
        "verbs on any host. Bundles contain no environment values, and arguments are masked. They do contain names " +
        "of jobs, nodes, users and paths, so review the file, which is text, before you share it.",
    )
    .option("--all", "export all tasks in the log")
    .option(...runOption)
    .option("--show-args", "export arguments of commands, too, which may hold secrets")
    .option("--sign <key>", "sign the bundle with a private Ed25519 key, for replay --check --key")
    .addOption(
      new Option("--otlp", "send traces of ended tasks to a collector instead (OpenTelemetry)").conflicts([
        "showArgs",
        "sign",
      ]),
    )
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 export web > bundle.jsonl
  nomad-driver-exec2 export --all > bundle.jsonl
  nomad-driver-exec2 export web --sign key.pem > bundle.jsonl
  nomad-driver-exec2 replay bundle.jsonl
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 nomad-driver-exec2 export --otlp --all`,
    )
    .action(async (tasks: string[], options: Options) => {
      const { all = false, showArgs = false, otlp = false, sign, run, stateDir } = options;
      if (all && tasks.length > 0)
        throw new DriverError("CONFIG_INVALID", "--all cannot be combined with names of tasks");
      const chosen = { names: all ? undefined : tasks, back: run };
      if (otlp) {
        const { sendTraces } = await import("./sendTraces.ts");
        exit(await sendTraces(stateDir, chosen));
      } else {
        const { exportTasks } = await import("./exportTasks.ts");
        exit(await exportTasks(stateDir, chosen, { mask: !showArgs, key: sign }));
      }
    });
};
