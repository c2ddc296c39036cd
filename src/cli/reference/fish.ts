/** Completions for fish. Pure. */
import { type OptionOutline, type ProgramOutline, valueKind } from "./outline.ts";

export function fishCompletion({ name, options, verbs }: ProgramOutline): string {
  const complete = (condition: string, rest: string) => `complete -c ${name} -n ${quoted(condition)} ${rest}`;
  const first = "__fish_use_subcommand";
  const lines = [
    `# fish completion for ${name}, generated from the program's help`,
    `complete -c ${name} -f`,
    ...options.map((option) => complete(first, optionText(option))),
    ...verbs.map((verb) => complete(first, `-a ${verb.name} -d ${quoted(verb.summary)}`)),
    ...verbs.flatMap((verb) => {
      const condition = `__fish_seen_subcommand_from ${verb.name}`;
      const [argument] = verb.arguments;
      const operand = argument && operandText(argument.name, argument.choices);
      return [...verb.options.map(optionText), ...(operand ? [operand] : [])].map((rest) =>
        complete(condition, rest),
      );
    }),
  ];
  return `${lines.join("\n")}\n`;
}

function optionText({ short, long, value, description, choices }: OptionOutline): string {
  const flags = [
    ...(short && short !== long ? [`-s ${short.slice(1)}`] : []),
    `-l ${long.replace(/^--/, "")}`,
  ];
  const parts = [
    ...flags,
    ...(value === undefined ? [] : [valueText(value, choices)]),
    `-d ${quoted(description)}`,
  ];
  return parts.join(" ");
}

function valueText(name: string, choices: readonly string[]): string {
  if (choices.length > 0) return `-x -a ${quoted(choices.join(" "))}`;
  return { file: "-r -F", folder: "-x -a '(__fish_complete_directories)'", other: "-x" }[valueKind(name)];
}

function operandText(name: string, choices: readonly string[]): string | undefined {
  if (choices.length > 0) return `-a ${quoted(choices.join(" "))}`;
  return { file: "-F", folder: "-a '(__fish_complete_directories)'", other: undefined }[valueKind(name)];
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
