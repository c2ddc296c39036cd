import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type AddVerb,
  lastOption,
  runOption,
  showArgsOption,
  stateDirOrBundleOption,
  taskOrBundle,
} from "../verb.ts";
import type { EventsFormat } from "./showEvents.ts";

interface Options {
  readonly after?: number;
  readonly follow?: boolean;
  readonly format: EventsFormat;
  readonly json?: boolean;
  readonly run?: number;
  readonly last: number;
  readonly showArgs?: boolean;
  readonly stateDir: string;
}

/** For each format, why it does not support `--follow`; undefined if it does. */
const whyNotFollowed: Readonly<Record<EventsFormat, string | undefined>> = {
  table: undefined,
  json: "--follow never ends, but a JSON list does: use --format jsonl",
  jsonl: undefined,
  mermaid: "--follow never ends, but a diagram shows all events at once",
};

function parsePosition(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a number, 0 or more.");
  return Number(text);
}

export const addEvents: AddVerb = (program, exit) => {
  program
    .command("events")
    .argument("[task]", taskOrBundle)
    .summary("show the event log")
    .description(
      "Lists all tasks that the driver ran on this host, for an agent or a local run. For one task, shows every " +
        "event and the state that followed. Arguments of commands are masked; events contain no environment " +
        "values.",
    )
    .option("-f, --follow", "keep running, and show new events as they come")
    .option(
      "--after <position>",
      "only events after this position: that of the last event that you have; with JSON",
      parsePosition,
    )
    .option(...runOption)
    .option(...lastOption)
    .addOption(
      new Option("--format <format>", "output format; mermaid draws a sequence diagram")
        .choices(Object.keys(whyNotFollowed))
        .default("table"),
    )
    .addOption(new Option("--json", "the same as --format jsonl").conflicts("format"))
    .option(...showArgsOption)
    .option(...stateDirOrBundleOption)
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
  nomad-driver-exec2 events -f --json --after 4711
  nomad-driver-exec2 events web --format mermaid >> ticket.md`,
    )
    .action(async (task: string | undefined, options: Options, command: Command) => {
      const refusal = options.follow ? whyNotFollowed[options.format] : undefined;
      if (refusal !== undefined) command.error(`error: ${refusal}`);
      const { stateDir, run, last, follow = false, format, json = false, showArgs = false, after } = options;
      if (after !== undefined && !json && !format.startsWith("json"))
        command.error("error: --after takes --json, or --format jsonl or json");
      const { locate } = await import("../../histories/eventLogs.ts");
      const { showEvents } = await import("./showEvents.ts");
      const shown = { follow, last: last === 0 ? Number.POSITIVE_INFINITY : last, showArgs, after };
      exit(await showEvents(locate(task, stateDir, run), { ...shown, format: json ? "jsonl" : format }));
    });
};
