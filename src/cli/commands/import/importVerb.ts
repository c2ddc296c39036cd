import type { AddVerb } from "../verb.ts";

interface Options {
  readonly to?: string;
  readonly json?: boolean;
}

export const addImport: AddVerb = (program, exit) => {
  program
    .command("import")
    .argument("<bundle>", "a file that export wrote")
    .summary("prove a bundle, tell what is in it, and keep it for the other verbs")
    .description(
      "Proves a bundle and tells where it comes from and which tasks are in it. The other verbs open it by its path; " +
        "with --to it is kept in a folder, which --state-dir then names. The driver's own log is never touched. " +
        "Exits with 1 if something in the bundle was changed.",
    )
    .option("--to <folder>", "keep it in this folder, which must be empty or not there yet")
    .option("--json", "one JSON object: where it comes from, its tasks, and what is wrong with it")
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 import bundle.jsonl
  nomad-driver-exec2 import bundle.jsonl --to /tmp/report
  nomad-driver-exec2 replay web --state-dir /tmp/report`,
    )
    .action(async (path: string, options: Options) => exit(await act(path, options)));
};

async function act(path: string, { to, json = false }: Options): Promise<number> {
  const { importBundle } = await import("./importBundle.ts");
  return importBundle(path, to, json);
}
