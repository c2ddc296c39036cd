/** The options that say which paths a task may reach. Pure. */

import { DriverError } from "../../base/errors.ts";
import {
  checkedText,
  flag,
  list,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  type TaskValues,
} from "../options/fields.ts";
import { unveilProblem } from "./unveil.ts";

export const unveilOptions = {
  task: () => ({
    unveil: list(unveilEntry())
      .default([])
      .meta({
        description:
          "further paths ([unveil](#unveil)), at most 256; needs the plugin's `unveil_allowed` or `unveil_by_task`",
        example: ["r:/etc/mime.types"],
      }),
  }),
  plugin: () => ({
    unveilDefaults: flag().default(true).meta({
      description: "unveil the [default paths](#default-paths) and the task's own folders",
      example: false,
    }),
    unveilPaths: list(unveilEntry())
      .default([])
      .meta({
        description: "further paths for all tasks ([unveil](#unveil))",
        example: ["rx:/opt/bin", "r:/srv/certs"],
      }),
    unveilAllowed: list(unveilEntry())
      .default([])
      .meta({
        description:
          "what jobs may unveil: each entry of a job's `unveil` must be at or below one of these paths, and ask for no other rights ([what jobs may unveil](#what-jobs-may-unveil))",
        example: ["r:/etc/ssl", "rx:/opt", "rwc:/srv/shared"],
      }),
    unveilByTask: flag().default(false).meta({
      description:
        "whether jobs may use `unveil` without a list in `unveil_allowed`: for all paths but [those that no job gets](#what-jobs-may-unveil)",
      example: true,
    }),
    privateTmp: flag().default(true).meta({
      description:
        "whether a task's `/tmp` is its own `tmp` folder. If an entry unveils `/tmp` or a path below it, the task sees the host's `/tmp`",
      example: false,
    }),
  }),
} satisfies PartOptions;

interface Values {
  readonly task: TaskValues<typeof unveilOptions>;
  readonly plugin: PluginValues<typeof unveilOptions>;
}

/** @throws DriverError `CONFIG_INVALID` */
export function settleUnveil(task: Values["task"], plugin: Values["plugin"]): void {
  const { unveil } = task;
  if (unveil.length > maxEntries) {
    throw new DriverError("CONFIG_INVALID", `The task's config unveils ${unveil.length} paths`, {
      option: "unveil",
      hint: `At most ${maxEntries} are possible: unveil folders around them`,
    });
  }
  if (plugin.unveilAllowed.length > 0) return;
  refuseUnlessAllowed("unveil", unveil.length > 0, "unveilByTask", plugin);
}

/** Each entry takes the plugin some 0.1 ms at a start, and so holds up all other tasks. */
const maxEntries = 256;

const unveilEntry = () =>
  checkedText((entry) => {
    const problem = unveilProblem(entry);
    return problem && { ...problem, message: `(${JSON.stringify(entry)}) ${problem.message}` };
  });
