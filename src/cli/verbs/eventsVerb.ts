import { defaultStateDir } from "../../config/defaultStateDir.ts";
import type { AddVerb } from "./verb.ts";

interface Options {
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addEvents: AddVerb = (program, exit) => {
  program
    .command("events")
    .argument("[task]", "name of a task, start of its allocation's id, or its whole id; or a bundle")
    .summary("show what happened to the tasks of this host")
    .description(
      "Shows the event log: all tasks that the driver has run on this host, for an agent or a local run; or, for " +
        "one task, every event of its life with what the state machine made of it. Values of the environment are " +
        "in no event.",
    )
    .option("-f, --follow", "go on with the events to come")
    .option("--json", "one JSON object a line, as stored")
    .option("--state-dir <folder>", "the driver's state_dir, or a bundle", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 events                all tasks: state, age and exit
  nomad-driver-exec2 events web            the events of the task web
  nomad-driver-exec2 events -f 6f2d4a9e    those of an allocation's task, as they come
  nomad-driver-exec2 events --json | jq 'select(.type == "exited")'`,
    )
    .action(async (task: string | undefined, options: Options) => exit(await act(task, options)));
};

async function act(
  task: string | undefined,
  { stateDir, follow = false, json = false }: Options,
): Promise<number> {
  const { locate } = await import("../events/eventLogs.ts");
  const { showEvents } = await import("../events/showEvents.ts");
  const { path, name } = locate(task, stateDir);
  return showEvents(path, name, { follow, json });
}
