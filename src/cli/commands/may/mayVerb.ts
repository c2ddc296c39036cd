import { accessForms } from "../../../history/access/askedAccess.ts";
import { type AddVerb, anyTask, jsonOption, runOption, stateDirOrBundleOption } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addMay: AddVerb = (program, exit) => {
  program
    .command("may")
    .argument("<task>", anyTask)
    .argument("<access...>", accessForms)
    .summary("tell whether a task may do something, and by which rule")
    .description(
      "Tells whether a task may do something, and the rule that says so, from the sandbox that was recorded when " +
        "it started. Exits with 1 if it may not.",
    )
    .option(...runOption)
    .option(...jsonOption)
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 may web read /etc/ssl/certs
  nomad-driver-exec2 may web connect 10.0.0.1:443
  nomad-driver-exec2 may web bind udp 53
  nomad-driver-exec2 may web call unshare`,
    )
    .action(async (task: string, access: string[], { json = false, run, stateDir }: Options) => {
      const { locate } = await import("../../histories/eventLogs.ts");
      const { showMay } = await import("./showMay.ts");
      exit(await showMay(locate(task, stateDir, run), access, json));
    });
};
