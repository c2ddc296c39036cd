import { Argument } from "commander";
import type { AddVerb } from "../verb.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

export const addCompletion: AddVerb = (program, exit) => {
  program
    .command("completion")
    .addArgument(new Argument("<shell>", "the shell that runs the script").choices(shells))
    .summary("print a shell completion script")
    .description(
      "Prints a script that completes verbs, options and file names in a shell. The Debian package installs " +
        "these scripts.",
    )
    .addHelpText(
      "after",
      `
Examples:
  source <(nomad-driver-exec2 completion bash)
  nomad-driver-exec2 completion zsh > /usr/local/share/zsh/site-functions/_nomad-driver-exec2
  nomad-driver-exec2 completion fish > ~/.config/fish/completions/nomad-driver-exec2.fish`,
    )
    .action(async (shell: Shell) => {
      const { completionOf } = await import("../../reference/completions.ts");
      process.stdout.write(completionOf(program, shell));
      exit(0);
    });
};
