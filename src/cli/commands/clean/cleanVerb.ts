import type { AddVerb } from "../verb.ts";

interface Options {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export const addClean: AddVerb = (program, exit) => {
  program
    .command("clean")
    .argument("[folder...]", "only what the runs with these folders left")
    .summary("remove what killed runs left behind")
    .description(
      "Ends the tasks of runs that were killed (by SIGKILL, or when memory ran out) and removes their cgroups and " +
        "folders. Runs that go on, folders of run --keep and the tasks of a Nomad agent stay as they are.",
    )
    .option("-n, --dry-run", "list what would be removed, and remove nothing")
    .option("--json", "one JSON object a line")
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 clean --dry-run
  nomad-driver-exec2 clean`,
    )
    .action(async (folders: string[], options: Options) => exit(await act(folders, options)));
};

async function act(folders: readonly string[], { dryRun = false, json = false }: Options): Promise<number> {
  const { clean } = await import("./clean.ts");
  return clean(folders, { dryRun, json });
}
