import { codeOfComparison } from "../../terminal/errors.ts";
import { type AddVerb, jsonOption, stateDirOrBundleOption } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly showArgs?: boolean;
  readonly stateDir: string;
}

export const addDiff: AddVerb = (program, exit) => {
  program
    .command("diff")
    .argument("<A>", "a task as for the other verbs, or a bundle: BUNDLE:TASK if it has several tasks")
    .argument(
      "[B]",
      "the task to compare A with, named in the same way; without B, the newest run of A is compared with the one before",
    )
    .summary("compare the histories of two tasks")
    .description(
      "Aligns two histories by event type, such as those of a good and a bad run, and shows where they diverge. " +
        "Below a row it lists the data that differ, except pids, times, ids, digests and run folders, which always differ. " +
        "After a row it shows how long the step took in B, relative to A.",
    )
    .option(...jsonOption)
    .option("--show-args", "show arguments of commands, which may hold secrets; they are always compared")
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
Between the two sides, | marks a difference, < an event that only A has, > one
that only B has. Exit codes: 0 nothing differs, 1 something does, 2 they could
not be compared.

Examples:
  nomad-driver-exec2 diff 6f2d4a9e 91c07b3d
  nomad-driver-exec2 diff web
  nomad-driver-exec2 diff web good.jsonl
  nomad-driver-exec2 diff bundle.jsonl:web bundle.jsonl:db --json | jq .divergence`,
    )
    .action(
      async (a: string, b: string | undefined, { json = false, showArgs = false, stateDir }: Options) => {
        const { locate } = await import("../../histories/eventLogs.ts");
        const { showDiff } = await import("./showDiff.ts");
        const [left, right] =
          b === undefined
            ? [locate(a, stateDir, 1), locate(a, stateDir, 0)]
            : [locate(a, stateDir), locate(b, stateDir)];
        exit(await codeOfComparison(() => showDiff(left, right, { showArgs, json })));
      },
    );
};
