/** The options of a task's command: program, arguments, working directory and environment. Pure. */

import { list, type PartOptions, text } from "../options/fields.ts";

export const commandOptions = {
  task: () => ({
    command: text().min(1, "must not be empty").meta({
      description: "a path, or the name of a program in the task's `PATH`",
      example: "python3",
    }),
    args: list(text())
      .default([])
      .meta({ description: "the command's arguments", example: ["-m", "http.server"] }),
    workDir: text().min(1, "must not be empty").optional().meta({
      description: "working directory: absolute, or relative to the task's folder, which is the default",
      example: "local/app",
    }),
    stopCommand: list(text())
      .refine(([program]) => program !== "", "must begin with a program")
      .default([])
      .meta({
        description:
          "a command that asks the task to stop, before `kill_signal` ([stopping](#stopping)): a path or the name of a program, and its arguments",
        example: ["nginx", "-s", "quit"],
      }),
  }),
  plugin: () => ({
    deniedEnvvars: list(text().min(1, "must not be empty"))
      .default([])
      .meta({
        description: "variables that are removed from every task's environment; `*` matches any characters",
        example: ["AWS_*", "*_TOKEN"],
      }),
  }),
} satisfies PartOptions;
