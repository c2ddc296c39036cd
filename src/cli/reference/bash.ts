/** Completions for bash. Pure. */
import { type OptionOutline, type ProgramOutline, valueKind } from "./outline.ts";

export function bashCompletion({ name, options, verbs }: ProgramOutline): string {
  const command = `_${name.replaceAll("-", "_")}`;
  const verbNames = verbs.map((verb) => verb.name);
  const values = verbs.flatMap((verb) =>
    verb.options.flatMap((option) => {
      if (option.value === undefined) return [];
      const patterns = flagsOf(option).map((flag) => `${verb.name}:${flag}`);
      return `      ${patterns.join(" | ")}) ${candidates(option.value, option.choices)} ;;`;
    }),
  );
  const flags = verbs.map(
    (verb) => `      ${verb.name}:-*) list='${verb.options.flatMap(flagsOf).join(" ")}' ;;`,
  );
  const operands = verbs.flatMap((verb) => {
    const [argument] = verb.arguments;
    return argument ? `      ${verb.name}:*) ${candidates(argument.name, argument.choices)} ;;` : [];
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

function candidates(name: string, choices: readonly string[]): string {
  if (choices.length > 0) return `list='${choices.join(" ")}'`;
  return { file: "action=file", folder: "action=directory", other: ":" }[valueKind(name)];
}

function flagsOf({ short, long }: OptionOutline): string[] {
  return short === undefined || short === long ? [long] : [short, long];
}
