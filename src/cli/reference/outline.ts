/** Describes the command line as data, from which completions and the man page are made. */
import type { EventEmitter } from "node:events";
import type { Argument, Command, Option } from "commander";
import { signalNames } from "../../base/signalNames.ts";

export interface ProgramOutline {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionOutline[];
  readonly verbs: readonly VerbOutline[];
}

export interface VerbOutline {
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  readonly description: string;
  readonly arguments: readonly ArgumentOutline[];
  readonly options: readonly OptionOutline[];
  /** The other parts of the verb's help: exit codes and examples. */
  readonly more: string;
}

export interface ArgumentOutline {
  readonly name: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly description: string;
  readonly choices: readonly string[];
  readonly kind: ValueKind;
}

export interface OptionOutline {
  /** Such as `-v`. */
  readonly short: string | undefined;
  /** Such as `--verbose`. */
  readonly long: string;
  /** The name of the option's value; undefined if the option takes no value. */
  readonly value: string | undefined;
  readonly description: string;
  readonly choices: readonly string[];
  readonly kind: ValueKind;
  readonly defaultValue: string | undefined;
}

/** The kind of a value, which decides how shells complete it. */
export type ValueKind = "file" | "folder" | "task" | "runningTask" | "pluginOption" | "other";

export function outlineOf(program: Command): ProgramOutline {
  const verbs = program.commands.map((command) => command.name());
  return {
    name: program.name(),
    description: program.description(),
    options: optionsOf(program),
    verbs: program.commands.map(
      (command): VerbOutline => ({
        name: command.name(),
        summary: command.summary(),
        description: command.description(),
        arguments: command.registeredArguments.map((argument) => argumentOutline(argument, verbs)),
        options: optionsOf(command),
        more: textAfterHelp(command),
      }),
    ),
  };
}

/** The kind of a value, from its name and its description in the help. */
function valueKind(name: string, description = ""): ValueKind {
  if (/^(?:bundle|edits|file|job|module)$/.test(name)) return "file";
  if (/^(?:task|A|B)$/.test(name)) return /\brunning\b/.test(description) ? "runningTask" : "task";
  return /^folder$/.test(name) ? "folder" : "other";
}

/** Such as `<job>` or `[task...]`. */
export function argumentText({ name, required, variadic }: ArgumentOutline): string {
  const text = variadic ? `${name}...` : name;
  return required ? `<${text}>` : `[${text}]`;
}

function argumentOutline(argument: Argument, verbs: readonly string[]): ArgumentOutline {
  const name = argument.name();
  const { required, variadic, description, argChoices = [] } = argument;
  const choices = name === "verb" ? verbs : name === "signal" ? signalNames() : argChoices;
  return { name, required, variadic, description, choices, kind: valueKind(name, description) };
}

function optionsOf(command: Command): OptionOutline[] {
  return command.createHelp().visibleOptions(command).map(optionOutline);
}

function optionOutline(option: Option): OptionOutline {
  const { short, long, flags, description, argChoices = [], defaultValue } = option;
  const [, value] = /[<[]([^>\]]+)[>\]]/.exec(flags) ?? [];
  const isShown = value !== undefined && defaultValue !== undefined;
  return {
    short: short ?? undefined,
    long: long ?? short ?? flags,
    value,
    description,
    choices: value === "signal" ? signalNames() : argChoices,
    // Other options take assignments, too: variables, metadata.
    kind: long === "--option" ? "pluginOption" : valueKind(value ?? ""),
    defaultValue: isShown ? String(defaultValue) : undefined,
  };
}

/** commander does not store this text: listeners write it while the help is printed. */
function textAfterHelp(command: Command): string {
  let written = "";
  (command as unknown as EventEmitter).emit("afterHelp", {
    error: false,
    command,
    write: (text: string) => (written += text),
  });
  return written.trim();
}
