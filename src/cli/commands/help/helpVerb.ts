import type { Command } from "commander";
import { nearest } from "../../../base/suggest.ts";
import type { AddVerb } from "../verb.ts";

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

/** For each verb, words for the same action in other programs. */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  archive: ["save", "backup"],
  clean: ["gc", "prune", "remove", "rm"],
  diff: ["compare"],
  doctor: ["check", "info"],
  events: ["history", "journal"],
  exec: ["attach", "enter", "sh", "shell", "ssh"],
  export: ["dump"],
  import: ["load"],
  inspect: ["serve", "ui", "web"],
  logs: ["cat", "log", "output", "tail"],
  ps: ["list", "status", "tasks"],
  replay: ["debug", "step"],
  run: ["apply", "create", "job", "launch", "start", "up"],
  signal: ["reload"],
  stop: ["down", "end", "halt", "kill", "quit", "terminate"],
  top: ["monitor", "stats", "watch"],
  validate: ["lint", "plan", "verify"],
  why: ["explain", "reason"],
};

/** Ends the program with an error that names the verb that was probably meant. */
export function unknownVerb(program: Command, name: string): never {
  const verbs = program.commands.map((command) => command.name());
  const meant = meantVerb(name, verbs);
  return program.error(
    `error: unknown command '${name}'${meant === undefined ? "" : `\n(Did you mean ${meant}?)`}`,
  );
}

/** The verb that does what the word says, or else the verb with the most similar spelling. */
export function meantVerb(name: string, verbs: readonly string[]): string | undefined {
  const word = name.toLowerCase();
  return verbs.find((verb) => synonyms[verb]?.includes(word)) ?? nearest(word, verbs);
}
