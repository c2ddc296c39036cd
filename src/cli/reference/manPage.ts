/** The manual page, in the language of man(7). Pure. */
import {
  type ArgumentOutline,
  argumentText,
  type OptionOutline,
  type ProgramOutline,
  type VerbOutline,
} from "./outline.ts";

export interface Edition {
  readonly version: string;
  /** For example, `2026-11-25`. */
  readonly date: string;
}

export function manPage(program: ProgramOutline, { version, date }: Edition): string {
  const { name, description, verbs } = program;
  const lines = [
    `.\\" Generated from the program's help.`,
    `.TH ${name.toUpperCase()} 1 ${date} "${name} ${version}" "User Commands"`,
    ".SH NAME",
    `${name} \\- ${text("Nomad task driver with a Landlock sandbox")}`,
    ".SH SYNOPSIS",
    `.B ${text(name)}`,
    ".I VERB",
    "[options]",
    ".SH DESCRIPTION",
    ...paragraph(description),
    ".PP",
    ...paragraph(
      "Launched by a Nomad agent from its plugin_dir, the program is the task driver exec2. " +
        "Called by a person, it runs the verb that is its first argument.",
    ),
    ".SH OPTIONS",
    ...program.options.flatMap(optionEntry),
    ".SH VERBS",
    ...verbs.flatMap((verb) => verbSection(name, verb)),
  ];
  return `${lines.join("\n")}\n`;
}

function verbSection(program: string, verb: VerbOutline): string[] {
  const { name, description, options, more } = verb;
  const operands = verb.arguments.map(argumentText).join(" ");
  const [before = "", examples] = more.split(/^Examples?:\n/m);
  return [
    `.SS ${text(name)}`,
    ".nf",
    `.B ${text([program, name, options.length > 0 ? "[options]" : "", operands].filter(Boolean).join(" "))}`,
    ".fi",
    ".PP",
    ...paragraph(description),
    ...verb.arguments.flatMap(argumentEntry),
    ...options.flatMap(optionEntry),
    ...before
      .split("\n\n")
      .filter((part) => part.trim() !== "")
      .flatMap((part) => [".PP", ...paragraph(part.replaceAll(/\s+/g, " ").trim())]),
    ...(examples === undefined
      ? []
      : [".PP", "Examples:", ".PP", ".EX", ...examples.trimEnd().split("\n").map(text), ".EE"]),
  ];
}

function argumentEntry(argument: ArgumentOutline): string[] {
  return [".TP", `.I ${text(argument.name)}`, ...paragraph(argument.description)];
}

function optionEntry({ short, long, value, description, choices, defaultValue }: OptionOutline): string[] {
  const flags = [...(short && short !== long ? [short] : []), long].map((flag) => `\\fB${text(flag)}\\fR`);
  const label = flags.join(", ") + (value === undefined ? "" : ` \\fI${text(value)}\\fR`);
  const facts = [
    ...(choices.length > 0 ? [`one of ${choices.join(", ")}`] : []),
    ...(defaultValue === undefined ? [] : [`default: ${defaultValue}`]),
  ];
  const explained = facts.length > 0 ? `${description} (${facts.join("; ")})` : description;
  return [".TP", label, ...paragraph(explained)];
}

function paragraph(words: string): string[] {
  return [text(words)];
}

/** Escapes characters that have a meaning in roff(7). An unescaped `-` would become a typographic hyphen. */
function text(words: string): string {
  const escaped = words
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "\\[u2026]")
    .replaceAll("'", "\\(aq");
  // At the beginning of a line, a dot would begin a request.
  return escaped.replace(/^(?=\.)/, "\\&");
}
