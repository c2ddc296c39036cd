import { type AddVerb, stateDirOption } from "../verb.ts";

interface Options {
  readonly stateDir: string;
}

const place =
  "TASK:PATH, a path in a running task, or a path of this host (with ./ before a name that has a colon)";

export const addCp: AddVerb = (program, exit) => {
  program
    .command("cp")
    .argument("<from>", place)
    .argument("<to>", `${place}; one of the two is in a task`)
    .summary("copy files into or out of a running task")
    .description(
      "Copies a file or a folder. In the task, paths are as the task sees them, relative ones from its working " +
        "directory; no link leads out of its root. Copies keep their modes, times, links and holes. What is copied into a " +
        "task becomes its user's, with that user's rights, where the task itself may write. The task's plugin records " +
        "the copy in the task's history.",
    )
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
If the target is a folder, the copy goes into it, under its own name; with /. at
the end of <from>, its content does. FIFOs, devices and sockets are left out. Exit
code 1 if files changed or vanished meanwhile.

Examples:
  nomad-driver-exec2 cp web:local/core.1234 .
  nomad-driver-exec2 cp ./config.json web:local/
  nomad-driver-exec2 cp 6f2d4a9e:/tmp/. /srv/tmp-of-web`,
    )
    .action(async (from: string, to: string, { stateDir }: Options) => {
      const { copyFiles } = await import("./copyFiles.ts");
      exit(await copyFiles(from, to, { stateDir }));
    });
};
