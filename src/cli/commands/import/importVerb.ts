import type { AddVerb } from "../verb.ts";

interface Options {
  readonly to?: string;
  readonly json?: boolean;
}

export const addImport: AddVerb = (program, exit) => {
  program
    .command("import")
    .argument("<bundle>", "a file written by export")
    .summary("check a bundle, and optionally store it")
    .description(
      "Checks a bundle and shows where it comes from and which tasks it contains. Other verbs open a bundle by " +
        "its path. With --to, the bundle is stored in a folder, which other verbs open with --state-dir. Never changes the driver's own log. Exits " +
        "with 1 if the bundle was modified.",
    )
    .option("--to <folder>", "store it in this folder, which must be empty or new")
    .option("--json", "print JSON: origin, tasks and problems")
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 import bundle.jsonl
  nomad-driver-exec2 import bundle.jsonl --to /tmp/report
  nomad-driver-exec2 replay web --state-dir /tmp/report`,
    )
    .action(async (path: string, { to, json = false }: Options) => {
      const { importBundle } = await import("./importBundle.ts");
      exit(await importBundle(path, to, json));
    });
};
