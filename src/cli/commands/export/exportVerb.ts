import { Option } from "commander";
import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { DriverError } from "../../../errors.ts";
import { runOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly all?: boolean;
  readonly showArgs?: boolean;
  readonly otlp?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addExport: AddVerb = (program, exit) => {
  program
    .command("export")
    .argument("[task...]", "names of tasks, starts of their allocations' ids, or whole ids")
    .summary("export histories as a bundle")
    .description(
      "Writes the events of tasks and their hashes to standard output, as a bundle for replay, events and other " +
        "verbs on any host. Bundles contain no environment values, and arguments are masked. They do contain names " +
        "of jobs, nodes, users and paths: review the file, it is text.",
    )
    .option("--all", "export all tasks in the log")
    .option(...runOption)
    .option("--show-args", "export arguments of commands, too, which may hold secrets")
    .addOption(
      new Option("--otlp", "send traces of ended tasks to a collector instead (OpenTelemetry)").conflicts(
        "showArgs",
      ),
    )
    .option("--state-dir <folder>", "the driver's state_dir, or a bundle", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 export web > bundle.jsonl
  nomad-driver-exec2 export --all > bundle.jsonl
  nomad-driver-exec2 replay bundle.jsonl
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 nomad-driver-exec2 export --otlp --all`,
    )
    .action(async (tasks: string[], options: Options) => exit(await act(tasks, options)));
};

async function act(
  tasks: readonly string[],
  { all = false, showArgs = false, otlp = false, run, stateDir }: Options,
): Promise<number> {
  if (all && tasks.length > 0) throw new DriverError("CONFIG_INVALID", "--all takes no names of tasks");
  const chosen = { names: all ? undefined : tasks, back: run };
  if (otlp) {
    const { sendTraces } = await import("./sendTraces.ts");
    return sendTraces(stateDir, chosen);
  }
  const { exportTasks } = await import("./exportTasks.ts");
  return exportTasks(stateDir, chosen, !showArgs);
}
