import { type AddVerb, jsonLinesOption } from "../verb.ts";

interface Options {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export const addClean: AddVerb = (program, exit) => {
  program
    .command("clean")
    .argument("[folder...]", "clean up only these run folders")
    .summary("remove what killed runs left behind")
    .description(
      "Kills the tasks of runs that were killed (SIGKILL, out of memory) and removes their cgroups and folders. " +
        "Does not touch active runs, folders of run --keep, or tasks of a Nomad agent.",
    )
    .option("-n, --dry-run", "show what would be removed")
    .option(...jsonLinesOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 clean --dry-run
  nomad-driver-exec2 clean`,
    )
    .action(async (folders: string[], { dryRun = false, json = false }: Options) => {
      const { clean } = await import("./clean.ts");
      exit(await clean(folders, { dryRun, json }));
    });
};
