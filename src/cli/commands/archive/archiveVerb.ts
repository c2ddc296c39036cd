import { InvalidArgumentError } from "commander";
import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { parseDuration } from "../../../units/durations.ts";
import type { AddVerb } from "../verb.ts";

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
    .summary("write the histories of ended tasks to bundles")
    .description(
      "Writes the histories of tasks that ended some time ago to bundles, one or more for each day, and checks them. " +
        "What is archived already is left out, so an interrupted archive can be run again. events, why, replay and diff " +
        "look into the archive for a task that the log does not have; every verb opens a bundle, or the archive with " +
        "--state-dir.",
    )
    .requiredOption("--older-than <duration>", "how long ago a task has ended, such as 30d or 12h", parseAge)
    .option("--into <folder>", "where to write the bundles (default: archive/ in the state_dir)")
    .option("--prune", "let the driver remove from its log what is archived; pinned histories stay")
    .option("-n, --dry-run", "list what would be archived, and write nothing")
    .option("--json", "one JSON object for each bundle")
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
The bundles hold the arguments of commands; only root can read them. With
--prune, the driver removes the histories some minutes later, or after its next
start.

Examples:
  nomad-driver-exec2 archive --older-than 30d
  nomad-driver-exec2 archive --older-than 7d --into /srv/histories --prune
  nomad-driver-exec2 events --state-dir /srv/histories web`,
    )
    .action(async (options: Options) => exit(await act(options)));
};

async function act(options: Options): Promise<number> {
  const { olderThan: olderThanMs, into, stateDir, prune = false, dryRun = false, json = false } = options;
  const { archiveTasks } = await import("./archiveTasks.ts");
  return archiveTasks({ stateDir, into, olderThanMs, prune, dryRun, json });
}

function parseAge(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  throw new InvalidArgumentError("It must be a duration, such as 30d, 12h or 90m.");
}
