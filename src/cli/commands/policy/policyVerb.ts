import { type AddVerb, jsonLinesOption, stateDirOrBundleOption } from "../verb.ts";

interface Options {
  readonly candidate?: string;
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addPolicy: AddVerb = (program, exit) => {
  program
    .command("policy")
    .argument("<job>", "name of a job; its periodic and dispatched jobs are part of it")
    .summary("tell what observed runs used of a job's options, and what stricter ones would break")
    .description(
      "Shows which entries of unveil, egress, cap_add and ports the observed runs of a job used, when, and the " +
        "smallest options that cover all of it. With --candidate, exits with 1 unless nothing that they used would be refused.",
    )
    .option("--candidate <file>", "judge all observed runs by the options in this job file")
    .option(...jsonLinesOption)
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
Runs are observed with the plugin's option observe.

Examples:
  nomad-driver-exec2 policy shop
  nomad-driver-exec2 policy shop --candidate stricter.nomad.hcl
  nomad-driver-exec2 policy shop --json | jq .smallest`,
    )
    .action(async (job: string, { json = false, candidate, stateDir }: Options) => {
      const { showPolicy } = await import("./showPolicy.ts");
      exit(await showPolicy({ job, candidate, json, stateDir }));
    });
};
