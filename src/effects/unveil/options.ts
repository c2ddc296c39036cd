/** The options that say which paths a task may reach. Pure. */

import { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import {
  checkedText,
  eachOnce,
  flag,
  list,
  mustBe,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  type TaskValues,
  text,
} from "../options/fields.ts";
import { unveilProblem } from "./unveil.ts";
import { entriesOfSets } from "./unveilSets.ts";

export const unveilOptions = {
  task: () => ({
    unveil: list(unveilEntry())
      .default([])
      .meta({
        description:
          "further paths ([unveil](#unveil)), at most 256; needs the plugin's `unveil_allowed` or `unveil_by_task`",
        example: ["r:/etc/mime.types"],
      }),
    unveilSets: list(text().min(1, "must not be empty"))
      .default([])
      .meta({
        description:
          "names of [sets of paths](#sets) to unveil: the client's, or the driver's own, which need the same permission as `unveil`",
        example: ["cuda", "java"],
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
    unveilSets: setBlocks()
      .default([])
      .meta({
        description: "[sets of paths](#sets) that every job may unveil by their names",
        example: [{ cuda: ["rw:/dev/nvidia0", "rw:/dev/nvidiactl", "r:/opt/cuda"] }],
      }),
    unveilAllowed: list(unveilEntry())
      .default([])
      .meta({
        description:
          "the paths at or below which jobs may unveil, with these rights ([what jobs may unveil](#what-jobs-may-unveil))",
        example: ["r:/etc/ssl", "rx:/opt", "rwc:/srv/shared"],
      }),
    unveilByTask: flag().default(false).meta({
      description:
        "whether jobs may use `unveil` without a list, but for [what no job gets](#what-jobs-may-unveil)",
      example: true,
    }),
    privateTmp: flag().default(true).meta({
      description:
        "whether a task's `/tmp` is its own `tmp` folder, unless an entry unveils `/tmp` or a path below it, or the agent's folders are there. `false`: what is unveiled of the host's",
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
  const ofSets = entriesOfSets(task, plugin);
  const count = unveil.length + ofSets.length;
  if (count > maxEntries) {
    throw new DriverError("CONFIG_INVALID", `The task's config unveils ${count} paths`, {
      option: "unveil",
      hint: `At most ${maxEntries} are possible: unveil folders around them`,
    });
  }
  if (plugin.unveilAllowed.length > 0) return;
  refuseUnlessAllowed("unveil", unveil.length > 0, "unveilByTask", plugin);
  const usesBuiltIn = ofSets.some(({ source }) => source === "task");
  refuseUnlessAllowed("unveilSets", usesBuiltIn, "unveilByTask", plugin);
}

/** Each entry takes the plugin some 0.1 ms at a start, and so holds up all other tasks. */
const maxEntries = 256;

/** Blocks of sets: names, each with its entries. */
const setBlocks = () =>
  z
    .array(z.record(z.string(), list(unveilEntry()), mustBe("a block of sets")), mustBe("a block of sets"))
    .superRefine((blocks, context) => void eachOnce(blocks, context));

const unveilEntry = () =>
  checkedText((entry) => {
    const problem = unveilProblem(entry);
    return problem && { ...problem, message: `(${JSON.stringify(entry)}) ${problem.message}` };
  });
