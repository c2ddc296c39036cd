import type { AddVerb } from "../verb.ts";
import { unknownVerb } from "./unknownVerb.ts";

/** Replaces commander's own verb, which accepts any arguments. */
export const addHelp: AddVerb = (program, exit) => {
  program
    .helpCommand(false)
    .command("help")
    .argument("[verb]", "the verb")
    .summary("show help for a verb")
    .description("Shows the help of a verb, like VERB --help, or lists all verbs.")
    .addHelpText("after", "\nExample:\n  nomad-driver-exec2 help run")
    .action((verb: string | undefined) => {
      const command = verb === undefined ? program : program.commands.find((each) => each.name() === verb);
      if (command === undefined) return unknownVerb(program, verb ?? "");
      command.outputHelp();
      exit(0);
    });
};
