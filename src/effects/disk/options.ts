/** The options of what a task writes to its own folders and to its `/tmp`. Pure. */

import { type PartOptions, wholeNumber } from "../options/fields.ts";

export const diskOptions = {
  task: () => ({
    tmpSize: wholeNumber()
      .refine((size) => size >= 1 && size <= 1_048_576, "must be from 1 to 1048576")
      .optional()
      .meta({
        description:
          "size in MiB of a `/tmp` in memory, to which `TMPDIR` then leads, too ([/tmp in memory](#tmp-in-memory)); its contents count as the task's memory",
        example: 64,
      }),
  }),
  plugin: () => ({}),
} satisfies PartOptions;
