import { type AddVerb, runningTask, stateDirOption } from "../verb.ts";

interface Options {
  readonly tty?: boolean;
  readonly stateDir: string;
}

export const addExec: AddVerb = (program, exit) => {
  program
    .command("exec")
    .argument("<task>", runningTask)
    .argument("<command...>", "the command and its arguments")
    .summary("run a command in a running task")
    .description(
      "Runs a command in a running task: in its namespaces and cgroup, as its user, under its Landlock rules, " +
        "with its environment. The task's plugin runs the command and records it in the task's history. When this " +
        "program ends, the command and the rest of its session end, too.",
    )
    .option("-t, --tty", "give the command a terminal, even if the output is not a terminal")
    .option("-T, --no-tty", "give the command no terminal: its input, output and errors are separate streams")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Exit codes: the command's own, or 128 + signal; 127 command not found, 126
command not executable, 125 exec itself failed.

Examples:
  nomad-driver-exec2 exec web ls -la local
  nomad-driver-exec2 exec -t web sh
  nomad-driver-exec2 exec 6f2d4a9e cat local/config.json
  tar c . | nomad-driver-exec2 exec web tar x -C local`,
    )
    .action(async (task: string, command: string[], { tty, stateDir }: Options) => {
      const { runCommand } = await import("./runCommand.ts");
      exit(await runCommand(task, command, { tty, stateDir }));
    });
};
