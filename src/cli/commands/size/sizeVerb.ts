import { InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../../units/durations.ts";
import { type AddVerb, jsonLinesOption, stateDirOrBundleOption } from "../verb.ts";

interface Options {
  readonly since: number;
  readonly headroom: number;
  readonly measured?: boolean;
  readonly prometheus?: string;
  readonly json?: boolean;
  readonly stateDir: string;
}

const defaultSince = "14d";

export const addSize: AddVerb = (program, exit) => {
  program
    .command("size")
    .argument("<job>", "name of a job; its periodic and dispatched jobs are part of it")
    .summary("propose resources for a job, from what its runs used")
    .description(
      "Shows what each task of a job used, and proposes less memory if the record of each run shows that the run " +
        "would not have been killed with it. What a record does not tell, it says, and proposes nothing less.",
    )
    .addOption(
      new Option("--since <duration>", "leave out runs that ended earlier than this before now")
        .argParser(parseSince)
        .default(parseSince(defaultSince), defaultSince),
    )
    .addOption(
      new Option("--headroom <percent>", "how much more than the most that was used")
        .argParser(parseHeadroom)
        .default(0.2, "20"),
    )
    .option(
      "--measured",
      "count what was measured as all that a run needs: of runs that still go, of runs that were not measured to their end, and of CPU",
    )
    .option(
      "--prometheus <url>",
      "take the evidence from a server that scrapes the plugins; nothing is proposed then without --measured",
    )
    .option(...jsonLinesOption)
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
With --prometheus, PROMETHEUS_TOKEN is sent as a bearer token.

Examples:
  nomad-driver-exec2 size shop
  nomad-driver-exec2 size shop --measured --headroom 30
  nomad-driver-exec2 size shop --state-dir bundles/ --since 30d
  nomad-driver-exec2 size shop --measured --prometheus http://127.0.0.1:9090
  nomad-driver-exec2 size shop --json | jq .memory.proposed`,
    )
    .action(async (job: string, { json = false, measured = false, ...options }: Options) => {
      const { showSizes } = await import("./showSizes.ts");
      exit(await showSizes(job, { ...options, json, measured }));
    });
};

function parseSince(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) throw new InvalidArgumentError("Expected a duration, such as 14d or 12h.");
  return milliseconds;
}

function parseHeadroom(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("Expected a number of percent, such as 20.");
  return Number(text) / 100;
}
