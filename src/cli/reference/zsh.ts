/** Completions for zsh, see zshcompsys(1). Pure. */
import { type ArgumentOutline, type OptionOutline, type ProgramOutline, valueKind } from "./outline.ts";

export function zshCompletion({ name, options, verbs }: ProgramOutline): string {
  const verbLines = verbs.map((verb) => `    ${quoted(`${verb.name}:${escaped(verb.summary)}`)}`);
  const cases = verbs.map((verb) => {
    const specs = [...verb.options.map(optionSpec), ...verb.arguments.map(argumentSpec)];
    return `    ${verb.name})\n      _arguments -s -S ${specs.map((spec) => `\\\n        ${spec}`).join(" ")} ;;`;
  });
  // zsh loads the file as the function that has the command's name after `_`, or a person sources the file.
  return `#compdef ${name}
# generated from the program's help

_${name}() {
local curcontext=$curcontext state line
local -a verbs
verbs=(
${verbLines.join("\n")}
)
_arguments -C ${options.map(optionSpec).join(" ")} ': :->verb' '*:: :->rest'
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

function optionSpec(option: OptionOutline): string {
  const { short, long, value, description } = option;
  const action = value === undefined ? "" : `:${escaped(value)}:${actionOf(option, value)}`;
  const explained = `[${escaped(description)}]${action}`;
  if (short === undefined || short === long) return quoted(`*${long}${explained}`);
  return `'*'{${short},${long}}${quoted(explained)}`;
}

function argumentSpec(argument: ArgumentOutline): string {
  const { name, required, variadic } = argument;
  const position = variadic ? "*:" : required ? ":" : "::";
  return quoted(`${position}${escaped(name)}:${actionOf(argument, name)}`);
}

function actionOf({ choices }: Pick<ArgumentOutline, "choices">, name: string): string {
  if (choices.length > 0) return `(${choices.join(" ")})`;
  return { file: "_files", folder: "_files -/", other: " " }[valueKind(name)];
}

/** Escapes a part of a specification: colons and brackets would end it. */
function escaped(text: string): string {
  return text.replace(/[\\:[\]]/g, "\\$&");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
