/** Landlock rules on paths that only the run itself can resolve: its own `/proc`, and links into it. */
import * as k from "../../kernel/constants.ts";
import { pathBeneathAttr, RULE_PATH_BENEATH } from "../../landlock/attributes.ts";
import type { NamespaceRule } from "../../landlock/rules.ts";
import { bytes, descriptors, type Flow, flags, type Step } from "../plan.ts";
import { closeScratchStep, openFolderStep } from "./fileSteps.ts";

/**
 * Rules that init adds. It keeps their descriptors open until it exits: procfs drops
 * an inode that nobody holds, and its rule disappears with it.
 */
export function initRuleSteps(rules: readonly NamespaceRule[]): Step[] {
  return rulesOf("init", rules).flatMap((rule, index) => {
    const hold: Step = {
      name: nameOf(rule),
      call: "dup3",
      args: [descriptors.scratch, descriptors.heldRules + index, flags({ O_CLOEXEC: k.O_CLOEXEC })],
    };
    return ruleSteps(rule, [hold]);
  });
}

/** Rules that the task's process adds before it restricts itself, on paths of its own. */
export function taskRuleSteps(rules: readonly NamespaceRule[]): Step[] {
  return rulesOf("task", rules).flatMap((rule) => ruleSteps(rule, []));
}

function rulesOf(who: NamespaceRule["addedBy"], rules: readonly NamespaceRule[]): NamespaceRule[] {
  return rules.filter(({ addedBy }) => addedBy === who);
}

function ruleSteps(rule: NamespaceRule, hold: readonly Step[]): Step[] {
  const name = nameOf(rule);
  const attr = pathBeneathAttr(rule.access, descriptors.scratch);
  const meaning = `{allowed_access: 0x${rule.access.toString(16)}, parent_fd: ${descriptors.scratch}}`;
  const steps: Step[] = [
    openFolderStep(name, rule.path),
    {
      name,
      call: "landlock_add_rule",
      args: [descriptors.ruleset, RULE_PATH_BENEATH, bytes(attr, meaning), 0],
    },
    ...hold,
    closeScratchStep(name),
  ];
  // The task starts even if this kernel lacks a default path.
  const flow: Flow = { kind: "tolerateErrors" };
  return rule.required ? steps : steps.map((step) => ({ ...step, flow }));
}

function nameOf({ path }: NamespaceRule): string {
  return `unveil ${path}`;
}
