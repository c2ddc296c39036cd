import { type AddVerb, anyTask, runOption, stateDirOption } from "../verb.ts";

interface Options {
  readonly reason?: string;
  readonly run?: number;
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addPin: AddVerb = (program, exit) => {
  program
    .command("pin")
    .argument("[task]", anyTask)
    .summary("keep the history of a task, or list the pinned tasks")
    .description(
      "Protects a task's history from removal, whatever its age and the size of the log. Without a task, lists " +
        "pinned histories. Needs no running plugin.",
    )
    .option("-r, --reason <text>", "why the history is kept; shown by ps --all and events")
    .option(...runOption)
    .option("--json", "print the list as JSON, one object per line")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 pin web --reason "outage of 2026-11-24"
  nomad-driver-exec2 pin web --run -1
  nomad-driver-exec2 pin`,
    )
    .action(async (name: string | undefined, { reason = "", run, json = false, stateDir }: Options) => {
      const { listPins, pinTask } = await import("./pinTask.ts");
      exit(
        await (name === undefined
          ? listPins(stateDir, json)
          : pinTask({ name, back: run }, reason, stateDir)),
      );
    });
};

export const addUnpin: AddVerb = (program, exit) => {
  program
    .command("unpin")
    .argument("<task>", anyTask)
    .summary("allow a pinned history to be removed")
    .description("Undoes pin: the driver may remove the history again.")
    .option(...runOption)
    .option(...stateDirOption)
    .addHelpText("after", "\nExample:\n  nomad-driver-exec2 unpin web")
    .action(async (name: string, { run, stateDir }: Options) => {
      const { unpinTask } = await import("./pinTask.ts");
      exit(await unpinTask({ name, back: run }, stateDir));
    });
};
