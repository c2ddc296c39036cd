/** The options of a task's processes: their limits and priorities. Pure. */

import { flag, type PartOptions, text, textBlocks, wholeNumber } from "../options/fields.ts";
import { ulimitProblem } from "./ulimits.ts";

export const limitsOptions = {
  task: () => ({
    umask: text()
      .regex(/^0?[0-7]{3}$/, "must be three octal digits in quotes, such as 027")
      .default("022")
      .meta({ description: "permissions that are removed from new files", example: "027" }),
    // Negative values are refused: with them a job could take CPU time from its neighbours and the agent.
    nice: wholeNumber()
      .refine(
        (nice) => nice >= 0 && nice <= 19,
        "must be from 0 to 19; a negative value would take CPU time from other tasks",
      )
      .default(0)
      .meta({
        description: "0 to 19; a higher value means a lower CPU priority",
        example: 10,
      }),
    // The kernel accepts -1000 to 1000: proc_pid_oom_score_adj(5).
    oomScoreAdj: wholeNumber()
      .refine(
        (score) => score >= 0 && score <= 1000,
        "must be from 0 to 1000; a task cannot be protected from the OOM killer at the cost of others",
      )
      .optional()
      .meta({
        description:
          "0 to 1000; the higher, the earlier the kernel kills the task when memory runs out. By default 0, with `numa_memory` 1000",
        example: 500,
      }),
    ulimit: ulimitBlocks()
      .default([])
      .meta({
        description:
          "limits of each process ([ulimit](#ulimit)); limits above the agent's own need the plugin's `allow_raised_ulimits`",
        example: [{ nofile: "2048:4096", core: "0" }],
      }),
  }),
  plugin: () => ({
    allowRaisedUlimits: flag().default(false).meta({
      description: "whether `ulimit` may exceed the agent's own limits",
      example: true,
    }),
  }),
} satisfies PartOptions;

/** Blocks of names and values, which are merged. */
const ulimitBlocks = () => textBlocks("limits", ulimitProblem);
