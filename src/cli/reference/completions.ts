/** Completion scripts for bash, zsh (zshcompsys(1)) and fish. Pure. */
import type { Command } from "commander";
import {
  type ArgumentOutline,
  type OptionOutline,
  outlineOf,
  type ProgramOutline,
  valueKind,
} from "./outline.ts";

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** The script that completes a program's arguments in a shell. */
export function completionOf(program: Command, shell: keyof typeof scripts): string {
  return scripts[shell](outlineOf(program));
}

function bashCompletion({ name, options, verbs }: ProgramOutline): string {
  const command = `_${name.replaceAll("-", "_")}`;
  const verbNames = verbs.map((verb) => verb.name);
  const values = verbs.flatMap((verb) =>
    verb.options.flatMap((option) => {
      if (option.value === undefined) return [];
      const patterns = flagsOf(option).map((flag) => `${verb.name}:${flag}`);
      return `      ${patterns.join(" | ")}) ${bashCandidates(option.value, option.choices)} ;;`;
    }),
  );
  const flags = verbs.map(
    (verb) => `      ${verb.name}:-*) list='${verb.options.flatMap(flagsOf).join(" ")}' ;;`,
  );
  const operands = verbs.flatMap((verb) => {
    const [argument] = verb.arguments;
    return argument ? `      ${verb.name}:*) ${bashCandidates(argument.name, argument.choices)} ;;` : [];
  });
  return `# bash completion for ${name}, generated from the program's help
${command}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} verb=\${COMP_WORDS[1]}
  local list= action=
  if ((COMP_CWORD == 1)); then
    list='${[...verbNames, ...options.flatMap(flagsOf)].join(" ")}'
  else
    case $verb:$previous in
${values.join("\n")}
      *) case $verb:$current in
${[...flags, ...operands].join("\n")}
      esac ;;
    esac
  fi
  COMPREPLY=()
  if [[ $action ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -A "$action" -- "$current")
  elif [[ $list ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$current")
  fi
}
complete -F ${command} ${name}
`;
}

function bashCandidates(name: string, choices: readonly string[]): string {
  if (choices.length > 0) return `list='${choices.join(" ")}'`;
  return { file: "action=file", folder: "action=directory", other: ":" }[valueKind(name)];
}

function flagsOf({ short, long }: OptionOutline): string[] {
  return short === undefined || short === long ? [long] : [short, long];
}

function zshCompletion({ name, options, verbs }: ProgramOutline): string {
  const verbLines = verbs.map((verb) => `    ${zshQuoted(`${verb.name}:${zshEscaped(verb.summary)}`)}`);
  const cases = verbs.map((verb) => {
    const specs = [...verb.options.map(zshOption), ...verb.arguments.map(zshArgument)];
    return `    ${verb.name})\n      _arguments -s -S ${specs.map((spec) => `\\\n        ${spec}`).join(" ")} ;;`;
  });
  // zsh autoloads the file as the function `_NAME`. A person may also source the file.
  return `#compdef ${name}
# generated from the program's help

_${name}() {
local curcontext=$curcontext state line
local -a verbs
verbs=(
${verbLines.join("\n")}
)
_arguments -C ${options.map(zshOption).join(" ")} ': :->verb' '*:: :->rest'
case $state in
  verb) _describe -t verbs verb verbs ;;
  rest) case $words[1] in
${cases.join("\n")}
  esac ;;
esac
}

if [[ $funcstack[1] == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

function zshOption(option: OptionOutline): string {
  const { short, long, value, description } = option;
  const action = value === undefined ? "" : `:${zshEscaped(value)}:${zshAction(option, value)}`;
  const explained = `[${zshEscaped(description)}]${action}`;
  if (short === undefined || short === long) return zshQuoted(`*${long}${explained}`);
  return `'*'{${short},${long}}${zshQuoted(explained)}`;
}

function zshArgument(argument: ArgumentOutline): string {
  const { name, required, variadic } = argument;
  const position = variadic ? "*:" : required ? ":" : "::";
  return zshQuoted(`${position}${zshEscaped(name)}:${zshAction(argument, name)}`);
}

function zshAction({ choices }: Pick<ArgumentOutline, "choices">, name: string): string {
  if (choices.length > 0) return `(${choices.join(" ")})`;
  return { file: "_files", folder: "_files -/", other: " " }[valueKind(name)];
}

/** Escapes a part of a specification: colons and brackets would end it. */
function zshEscaped(text: string): string {
  return text.replace(/[\\:[\]]/g, "\\$&");
}

function zshQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishCompletion({ name, options, verbs }: ProgramOutline): string {
  const complete = (condition: string, rest: string) =>
    `complete -c ${name} -n ${fishQuoted(condition)} ${rest}`;
  const first = "__fish_use_subcommand";
  const lines = [
    `# fish completion for ${name}, generated from the program's help`,
    `complete -c ${name} -f`,
    ...options.map((option) => complete(first, fishOption(option))),
    ...verbs.map((verb) => complete(first, `-a ${verb.name} -d ${fishQuoted(verb.summary)}`)),
    ...verbs.flatMap((verb) => {
      const condition = `__fish_seen_subcommand_from ${verb.name}`;
      const [argument] = verb.arguments;
      const operand = argument && fishArgument(argument.name, argument.choices);
      return [...verb.options.map(fishOption), ...(operand ? [operand] : [])].map((rest) =>
        complete(condition, rest),
      );
    }),
  ];
  return `${lines.join("\n")}\n`;
}

function fishOption({ short, long, value, description, choices }: OptionOutline): string {
  const flags = [
    ...(short && short !== long ? [`-s ${short.slice(1)}`] : []),
    `-l ${long.replace(/^--/, "")}`,
  ];
  const parts = [
    ...flags,
    ...(value === undefined ? [] : [fishValue(value, choices)]),
    `-d ${fishQuoted(description)}`,
  ];
  return parts.join(" ");
}

function fishValue(name: string, choices: readonly string[]): string {
  if (choices.length > 0) return `-x -a ${fishQuoted(choices.join(" "))}`;
  return { file: "-r -F", folder: "-x -a '(__fish_complete_directories)'", other: "-x" }[valueKind(name)];
}

function fishArgument(name: string, choices: readonly string[]): string | undefined {
  if (choices.length > 0) return `-a ${fishQuoted(choices.join(" "))}`;
  return { file: "-F", folder: "-a '(__fish_complete_directories)'", other: undefined }[valueKind(name)];
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
