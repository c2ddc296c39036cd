import { InvalidArgumentError } from "commander";
import { parseDuration } from "../../../units/durations.ts";
import { type AddVerb, stateDirOption } from "../verb.ts";

interface Options {
  /** Milliseconds. */
  readonly olderThan: number;
  readonly into?: string;
  readonly prune?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addArchive: AddVerb = (program, exit) => {
  program
    .command("archive")
    .summary("archive histories of ended tasks as bundles")
    .description(
      "Writes the histories of tasks that ended a while ago to bundles, at least one per day, and checks them. " +
        "Skips what is already archived, so you can run an interrupted archive again. events, why, replay and diff " +
        "search the archive when the log does not have a task. Any verb opens a bundle by its path, or the whole " +
        "archive with --state-dir.",
    )
    .requiredOption(
      "--older-than <duration>",
      "minimum time since a task ended, such as 30d or 12h",
      parseAge,
    )
    .option("--into <folder>", "folder for the bundles (default: archive/ in the state_dir)")
    .option("--prune", "let the driver remove archived histories from its log, except pinned ones")
    .option("-n, --dry-run", "show what would be archived")
    .option("--json", "print JSON, one object per bundle")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Bundles contain the arguments of commands and are readable by root only. With
--prune, the driver removes the histories some minutes later, or after its next
start.

Examples:
  nomad-driver-exec2 archive --older-than 30d
  nomad-driver-exec2 archive --older-than 7d --into /srv/histories --prune
  nomad-driver-exec2 events --state-dir /srv/histories web`,
    )
    .action(async ({ olderThan, into, stateDir, prune = false, dryRun = false, json = false }: Options) => {
      const { archiveTasks } = await import("./archiveTasks.ts");
      exit(await archiveTasks({ stateDir, into, olderThanMs: olderThan, prune, dryRun, json }));
    });
};

function parseAge(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  throw new InvalidArgumentError("Expected a duration, such as 30d, 12h or 90m.");
}
