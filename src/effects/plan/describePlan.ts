/** Prints a launch plan for people. */

import { shortList } from "../../units/longLists.ts";
import { INSTRUCTION_BYTES } from "../kernel/assembler.ts";
import { type Argument, type Plan, phases, type Step, type Strings } from "./plan.ts";

/**
 * One line per step, in the order in which the processes start: `task set uid: setresuid(80001, 80001,
 * 80001)`. Leaves out the environment's values, very long arguments, and the phase `unveil`, because events list its
 * rules.
 */
export function describePlan({ steps }: Plan): string[] {
  const lines: string[] = [];
  for (const phase of described) {
    const column = phase.padEnd(10);
    const known = sharedLines.get(phase);
    for (const step of steps[phase]) {
      let line = step.isShared && known?.get(step);
      if (!line) {
        line = column + describeStep(step);
        if (step.isShared) known?.set(step, line);
      }
      lines.push(line);
    }
  }
  return lines;
}

const described = phases.filter((phase) => phase !== "unveil");

/**
 * The lines of shared steps, by phase. Two thirds of a launch's steps are shared, and describing them again
 * would take 0.1 ms.
 */
const sharedLines = new Map(phases.map((phase) => [phase, new WeakMap<Step, string>()]));

function describeStep({ name, call, args, flow }: Step): string {
  const line = `${name}: ${call}(${args.map(describeArgument).join(", ")})`;
  switch (flow?.kind) {
    case undefined:
      return line;
    case "tolerateErrors":
      return `${line}, errors tolerated`;
    case "fork":
      return `${line}, the child goes on as ${flow.child}`;
    case "endOfFile":
      return `${line}, at its end: ${flow.ended}`;
    case "branch":
      return `${line}, if 0: ${flow.zero}, else ${flow.otherwise}, errors tolerated`;
    case "repeatUntil":
      return `${line} until ${flow.result}`;
    case "repeatUntilTask":
      return `${line} until it is the task`;
    case "repeatUntilError":
      return `${line} until it fails`;
    case "repeatUntilZeroOrSkip":
      return `${line} until 0; if it fails, the next step is skipped`;
    case "goTo":
      return `${line}, then ${flow.phase}`;
    case "becomeLogger":
      return `${line}, then the logger's code`;
  }
}

function describeArgument(argument: Argument): string {
  if (typeof argument === "number") return String(argument);
  if (typeof argument === "string") return JSON.stringify(argument);
  switch (argument.kind) {
    case "flags":
      return argument.names;
    case "bytes":
      return argument.meaning;
    case "strings":
      return `[${listed(argument)
        .map((text) => JSON.stringify(text))
        .join(", ")}]`;
    case "filter":
      return `{len: ${argument.filter.program.length / INSTRUCTION_BYTES}, filter: the profile ${argument.filter.name}}`;
    case "message":
      return `{room for ${argument.descriptors} descriptors}`;
    case "place":
      return argument.offset === 0 ? `&${argument.buffer}` : `&${argument.buffer}[${argument.offset}]`;
  }
}

function listed({ strings, secret }: Strings): string[] {
  return secret ? shortList(strings.map(mask), "variable") : shortList(strings, "argument");
}

function mask(assignment: string): string {
  return `${assignment.slice(0, assignment.indexOf("="))}=…`;
}
