import { type Command, Option } from "commander";
import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { lastOption, runOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";
import { type EventsFormat, eventsFormats, whyNotFollowed } from "./formats.ts";

interface Options {
  readonly follow?: boolean;
  readonly format: EventsFormat;
  readonly json?: boolean;
  readonly run?: number;
  readonly last: number;
  readonly showArgs?: boolean;
  readonly stateDir: string;
}

export const addEvents: AddVerb = (program, exit) => {
  program
    .command("events")
    .argument("[task]", "name of a task, start of its allocation's id, or its whole id; or a bundle")
    .summary("show the event log")
    .description(
      "Lists all tasks that the driver ran on this host, for an agent or a local run. For one task, shows every " +
        "event and the state that followed. Arguments of commands are masked; events contain no environment " +
        "values.",
    )
    .option("-f, --follow", "keep running, and show new events as they come")
    .option(...runOption)
    .option(...lastOption)
    .addOption(
      new Option("--format <format>", "output format; mermaid draws a sequence diagram")
        .choices(eventsFormats)
        .default("table"),
    )
    .addOption(new Option("--json", "the same as --format jsonl").conflicts("format"))
    .option("--show-args", "show arguments of commands, which may contain secrets")
    .option("--state-dir <folder>", "the driver's state_dir, or a bundle", defaultStateDir)
    .addHelpText(
      "after",
      `
Formats: table; jsonl (one JSON object per line); json (one list); mermaid (a
sequence diagram, as GitHub and GitLab render it).

Examples:
  nomad-driver-exec2 events                all tasks
  nomad-driver-exec2 events web            the events of task web
  nomad-driver-exec2 events -f 6f2d4a9e    follow the task of an allocation
  nomad-driver-exec2 events --json | jq 'select(.type == "exited")'
  nomad-driver-exec2 events web --format mermaid >> ticket.md`,
    )
    .action(async (task: string | undefined, options: Options, command: Command) => {
      const refusal = options.follow ? whyNotFollowed[options.format] : undefined;
      if (refusal !== undefined) command.error(`error: ${refusal}`);
      exit(await act(task, options));
    });
};

async function act(
  task: string | undefined,
  { stateDir, run, last, follow = false, format, json = false, showArgs = false }: Options,
): Promise<number> {
  const { locate } = await import("../../logs/eventLogs.ts");
  const { showEvents } = await import("./showEvents.ts");
  return showEvents(locate(task, stateDir, run), {
    follow,
    last: last === 0 ? Number.POSITIVE_INFINITY : last,
    format: json ? "jsonl" : format,
    showArgs,
  });
}
