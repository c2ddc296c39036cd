import type { AddVerb } from "../verb.ts";
import { unknownVerb } from "./unknownVerb.ts";

/** Stricter than commander's own, which takes any arguments. */
export const addHelp: AddVerb = (program, exit) => {
  program
    .helpCommand(false)
    .command("help")
    .argument("[verb]", "a verb of this program")
    .summary("show the help of a verb")
    .description("Shows the help of a verb, as VERB --help does, or the list of all verbs.")
    .addHelpText("after", "\nExample:\n  nomad-driver-exec2 help run")
    .action((verb: string | undefined) => {
      const command = verb === undefined ? program : program.commands.find((each) => each.name() === verb);
      if (command === undefined) return unknownVerb(program, verb ?? "");
      command.outputHelp();
      exit(0);
    });
};
