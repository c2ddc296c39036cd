import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly showArgs?: boolean;
  readonly stateDir: string;
}

export const addDiff: AddVerb = (program, exit) => {
  program
    .command("diff")
    .argument("<A>", "a task as for the other verbs, or a bundle: BUNDLE:TASK if it has several tasks")
    .argument("[B]", "the task to compare it with, named in the same way; by default A's run before that one")
    .summary("compare the histories of two tasks")
    .description(
      "Aligns two histories by event type and shows where they diverge, such as a good run and a bad one. Below " +
        "a row it lists the data that differ, except pids, times, ids, digests and run folders, which always do. " +
        "After a row it shows how long the step took in B, relative to A.",
    )
    .option("--json", "print JSON")
    .option("--show-args", "show arguments of commands, which may hold secrets; they are always compared")
    .option("--state-dir <folder>", "the driver's state_dir, or a bundle", defaultStateDir)
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
    .action(async (left: string, right: string | undefined, options: Options) =>
      exit(await act(left, right, options)),
    );
};

async function act(
  left: string,
  right: string | undefined,
  { json = false, showArgs = false, stateDir }: Options,
): Promise<number> {
  const { locate } = await import("../../logs/eventLogs.ts");
  const { exitCodeOf } = await import("../../terminal/errors.ts");
  const { showDiff } = await import("./showDiff.ts");
  const [a, b] =
    right === undefined
      ? [locate(left, stateDir, 1), locate(left, stateDir, 0)]
      : [locate(left, stateDir), locate(right, stateDir)];
  return exitCodeOf(() => showDiff(a, b, { showArgs, json }));
}
