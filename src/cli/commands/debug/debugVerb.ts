import { type AddVerb, parseFolder, runningTask, stateDirOption } from "../verb.ts";

interface Options {
  readonly asUser?: boolean;
  readonly tools: string;
  readonly stateDir: string;
}

export const addDebug: AddVerb = (program, exit) => {
  program
    .command("debug")
    .argument("<task>", runningTask)
    .argument("[command...]", "a program of the host, or of --tools, and its arguments", ["sh"])
    .summary("run a program of the host in a task's namespaces")
    .description(
      "Runs a program of the host in the pid, network and ipc namespaces of a running task, outside its sandbox and its " +
        "limits, as root. The task's root is at /task: no link is followed there, and nothing executed. The task's plugin " +
        "records who does it, with which program; arguments and output are not recorded. All that the program has " +
        "started ends with it, with this program, or with the task.",
    )
    .option("-u, --as-user", "run it as the task's user, without capabilities")
    .option(
      "--tools <folder>",
      "take programs and files from this folder instead of the host",
      parseFolder,
      "/",
    )
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
The task sees the program and its arguments, as in ps. Exit codes: the program's
own, or 128 + signal; 125 debug itself failed.

Examples:
  nomad-driver-exec2 debug web ss -tlnp
  nomad-driver-exec2 debug web strace -fp 2
  nomad-driver-exec2 debug --tools /srv/debian web gdb -p 2
  nomad-driver-exec2 debug web ls -l /task/etc`,
    )
    .action(async (task: string, command: string[], { asUser = false, tools, stateDir }: Options) => {
      const { debugTask } = await import("./debugTask.ts");
      exit(await debugTask(task, command, { asUser, tools, stateDir }));
    });
};
