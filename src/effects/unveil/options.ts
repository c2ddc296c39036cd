/** The options that say which paths a task may reach. Pure. */

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
        description: "further paths ([unveil](#unveil)); needs the plugin's `unveil_by_task`",
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
    unveilByTask: flag().default(false).meta({
      description: "whether jobs may use `unveil`",
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
  refuseUnlessAllowed("unveil", task.unveil.length > 0, "unveilByTask", plugin);
}

const unveilEntry = () =>
  checkedText((entry) => {
    const problem = unveilProblem(entry);
    return problem && { ...problem, message: `(${JSON.stringify(entry)}) ${problem.message}` };
  });
