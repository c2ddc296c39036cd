/** Completion scripts for bash, zsh (zshcompsys(1)) and fish. Pure. */
import type { Command } from "commander";
import { pluginSchema } from "../../driver/options/pluginOptions.ts";
import { hclName } from "../../effects/options/hclOptions.ts";
import {
  type ArgumentOutline,
  type OptionOutline,
  outlineOf,
  type ProgramOutline,
  type ValueKind,
} from "./outline.ts";

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** The script that completes a program's arguments in a shell. */
export function completionOf(program: Command, shell: keyof typeof scripts): string {
  return scripts[shell](outlineOf(program));
}

/** What a person may complete: an option's value, or an argument. */
type Candidates = Pick<ArgumentOutline, "choices" | "kind">;

/** Arguments of `ps` that list the names of tasks. */
const listing: Partial<Record<ValueKind, string>> = { task: "-aq --last 100", runningTask: "-q" };

/** The start of each assignment of `-o`. No space may follow it. */
const pluginOptions = Object.keys(pluginSchema.shape).map((key) => `${hclName(key)}=`);

/** Shell words that print each name twice: as `ps` prints it, and without its allocation. */
function taskNames(program: string, list: string | undefined): string {
  return `${program} ps ${list} 2>/dev/null | sed 'p; s|.*/||'`;
}

function bashCompletion({ name, options, verbs }: ProgramOutline): string {
  const command = `_${name.replaceAll("-", "_")}`;
  const verbNames = verbs.map((verb) => verb.name);
  const valued = verbs.flatMap((verb) =>
    verb.options
      .filter(({ value }) => value !== undefined)
      .map((option) => ({
        patterns: flagsOf(option)
          .map((flag) => `${verb.name}:${flag}`)
          .join(" | "),
        option,
      })),
  );
  const values = valued.map(({ patterns, option }) => `      ${patterns}) ${bashCandidates(option)} ;;`);
  const flags = verbs.map(
    (verb) => `      ${verb.name}:*:-*) list='${verb.options.flatMap(flagsOf).join(" ")}' ;;`,
  );
  const operands = verbs.flatMap((verb) =>
    verb.arguments.map((argument, index) => {
      const position = argument.variadic ? "*" : index + 1;
      return `      ${verb.name}:${position}:*) ${bashCandidates(argument)} ;;`;
    }),
  );
  // Names of tasks are not given to compgen -W, which would expand $(…) in them.
  return `# bash completion for ${name}, generated from the program's help
${command}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} verb=\${COMP_WORDS[1]}
  local list= action= tasks= word at position=1
  for ((at = 2; at < COMP_CWORD; at++)); do
    case $verb:\${COMP_WORDS[at]} in
      ${valued.map(({ patterns }) => patterns).join(" | ")}) ((at++)) ;;
      *:-*) ;;
      *) ((position++)) ;;
    esac
  done
  if ((COMP_CWORD == 1)); then
    list='${[...verbNames, ...options.flatMap(flagsOf)].join(" ")}'
  else
    case $verb:$previous in
${values.join("\n")}
      *) case $verb:$position:$current in
${[...flags, ...operands].join("\n")}
      esac ;;
    esac
  fi
  COMPREPLY=()
  if [[ $action ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -A "$action" -- "$current")
  elif [[ $tasks ]]; then
    while read -r word; do
      if [[ $word == "$current"* ]]; then COMPREPLY+=("$(printf %q "$word")"); fi
    done <<< "$tasks"
  elif [[ $list ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$current")
    if [[ \${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
  fi
}
complete -F ${command} ${name}
`;
}

function bashCandidates(of: Candidates): string {
  if (of.choices.length > 0) return `list='${of.choices.join(" ")}'`;
  const tasks = `tasks=$(${taskNames(`"\${COMP_WORDS[0]}"`, listing[of.kind])})`;
  return {
    ...{ file: "action=file", folder: "action=directory", task: tasks, runningTask: tasks },
    ...{ pluginOption: `list='${pluginOptions.join(" ")}'`, other: ":" },
  }[of.kind];
}

function flagsOf({ short, long }: OptionOutline): string[] {
  return short === undefined || short === long ? [long] : [short, long];
}

function zshCompletion({ name, options, verbs }: ProgramOutline): string {
  const verbLines = verbs.map((verb) => `    ${zshQuoted(`${verb.name}:${zshEscaped(verb.summary)}`)}`);
  const specOf = (each: OptionOutline | ArgumentOutline) =>
    "long" in each ? zshOption(name, each) : zshArgument(name, each);
  const cases = verbs.map((verb) => {
    const specs = [...verb.options, ...verb.arguments].map(specOf);
    return `    ${verb.name})\n      _arguments -s -S ${specs.map((spec) => `\\\n        ${spec}`).join(" ")} ;;`;
  });
  // zsh autoloads the file as the function `_NAME`. A person may also source the file.
  return `#compdef ${name}
# generated from the program's help

_${name}_tasks() {
  local -a names
  names=(\${(f)"$(${taskNames(`\${(Q)program}`, '"$@"')})"})
  compadd -a names
}

_${name}() {
local curcontext=$curcontext state line program=$words[1]
local -a verbs
verbs=(
${verbLines.join("\n")}
)
_arguments -C ${options.map(specOf).join(" ")} ': :->verb' '*:: :->rest'
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

function zshOption(program: string, option: OptionOutline): string {
  const { short, long, value, description } = option;
  const action = value === undefined ? "" : `:${zshEscaped(value)}:${zshAction(option, program)}`;
  const explained = `[${zshEscaped(description)}]${action}`;
  if (short === undefined || short === long) return zshQuoted(`*${long}${explained}`);
  return `'*'{${short},${long}}${zshQuoted(explained)}`;
}

function zshArgument(program: string, argument: ArgumentOutline): string {
  const { name, required, variadic } = argument;
  const position = variadic ? "*:" : required ? ":" : "::";
  return zshQuoted(`${position}${zshEscaped(name)}:${zshAction(argument, program)}`);
}

function zshAction({ choices, kind }: Candidates, program: string): string {
  if (choices.length > 0) return `(${choices.join(" ")})`;
  // After a space, _arguments adds no arguments of its own to the call.
  const tasks = ` _${program}_tasks ${listing[kind]}`;
  const pluginOption = ` compadd -S "" -- ${pluginOptions.join(" ")}`;
  return { file: "_files", folder: "_files -/", task: tasks, runningTask: tasks, pluginOption, other: " " }[
    kind
  ];
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
      const operands = verb.arguments.flatMap((argument) => fishArgument(name, argument) ?? []);
      return [...verb.options.map(fishOption), ...operands].map((rest) => complete(condition, rest));
    }),
  ];
  return `${lines.join("\n")}\n`;
}

function fishOption({ short, long, value, description, ...candidates }: OptionOutline): string {
  const flags = [
    ...(short && short !== long ? [`-s ${short.slice(1)}`] : []),
    `-l ${long.replace(/^--/, "")}`,
  ];
  const parts = [
    ...flags,
    ...(value === undefined ? [] : [fishValue(candidates)]),
    `-d ${fishQuoted(description)}`,
  ];
  return parts.join(" ");
}

function fishValue({ choices, kind }: Candidates): string {
  if (choices.length > 0) return `-x -a ${fishQuoted(choices.join(" "))}`;
  if (kind === "pluginOption") return `-x -a ${fishQuoted(pluginOptions.join(" "))}`;
  if (kind === "file") return "-r -F";
  return kind === "folder" ? "-x -a '(__fish_complete_directories)'" : "-x";
}

function fishArgument(program: string, of: Candidates): string | undefined {
  if (of.choices.length > 0) return `-a ${fishQuoted(of.choices.join(" "))}`;
  const tasks = `-a ${fishQuoted(`(${taskNames(program, listing[of.kind])})`)}`;
  const folders = "-a '(__fish_complete_directories)'";
  const { kind } = of;
  if (kind === "task" || kind === "runningTask") return tasks;
  return kind === "file" ? "-F" : kind === "folder" ? folders : undefined;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
