/**
 * Steps with which a run's own processes add Landlock rules. Only these processes can add the rules on the
 * run's own `/proc` and on the task's standard streams. They also add the rules on default paths, and
 * the task's process restricts itself. Pure.
 */
import * as k from "../kernel/constants.ts";
import { pathBeneathAttr } from "../kernel/structs.ts";
import { closeScratchStep, openFolderStep, openPlainStep } from "../plan/commonSteps.ts";
import { bytes, descriptors, type Flow, flags, type Step, shared } from "../plan/plan.ts";
import type { KnownRule, NamespaceRule } from "./rules.ts";

const { O_PATH, O_CLOEXEC } = k;
const closeOnExec = flags({ O_CLOEXEC });

/**
 * Rules that init adds. Init keeps their descriptors open until it exits: procfs drops an inode that nobody
 * holds, and the inode's rule disappears, too.
 */
export function initRuleSteps(rules: readonly NamespaceRule[]): readonly Step[] {
  return stepsOfInit(rulesOf("init", rules));
}

const stepsOfInit = remembered((rules: readonly NamespaceRule[]) =>
  rules.flatMap((rule, index) => {
    const hold: Step = {
      name: nameOf(rule),
      call: "dup3",
      args: [descriptors.scratch, descriptors.heldRules + index, closeOnExec],
    };
    return ruleSteps(rule, descriptors.scratch, [hold]);
  }),
);

/**
 * Rules that the task's process adds before it restricts itself, on paths of its own. The process has closed
 * the driver's descriptors by then.
 */
export function taskRuleSteps(rules: readonly NamespaceRule[]): readonly Step[] {
  return stepsOfTask(rulesOf("task", rules));
}

const stepsOfTask = remembered((rules: readonly NamespaceRule[]) =>
  rules.flatMap((rule) => ruleSteps(rule, descriptors.taskScratch, [])),
);

/**
 * Steps with which init adds the rules on default paths. Init opens these paths in the run's root, where they
 * lead to the same files as on the host. Meanwhile the plugin prepares the rest of the launch.
 */
export const unveilSteps = remembered((rules: readonly KnownRule[]) => {
  const steps = rules.flatMap(({ path, access }): Step[] => {
    const name = `unveil ${path}`;
    return [
      openFolderStep(name, path),
      addRuleStep({ path, access }, descriptors.scratch),
      closeScratchStep(name),
    ];
  });
  const flow: Flow = { kind: "tolerateErrors" };
  return steps.map((step) => ({ ...step, flow }));
});

/**
 * Remembers the steps of the latest sets of rules. Most tasks have the same rules. Reusing the steps, their
 * lines in printed plans and their assembled form saves each start 0.1 ms.
 */
function remembered<Rule extends KnownRule & Partial<NamespaceRule>>(
  make: (rules: readonly Rule[]) => Step[],
): (rules: readonly Rule[]) => readonly Step[] {
  const made: { readonly rules: readonly Rule[]; readonly steps: readonly Step[] }[] = [];
  return (rules) => {
    const found = made.find((each) => isSame(each.rules, rules));
    if (found !== undefined) return found.steps;
    const steps = shared(make(rules));
    made.unshift({ rules, steps });
    made.splice(maxMade);
    return steps;
  };
}

const maxMade = 8;

function isSame(
  one: readonly (KnownRule & Partial<NamespaceRule>)[],
  other: readonly (KnownRule & Partial<NamespaceRule>)[],
): boolean {
  return (
    one.length === other.length &&
    one.every(({ path, access, stream, required, withoutLinks }, index) => {
      const rule = other[index];
      return (
        path === rule?.path &&
        access === rule.access &&
        stream === rule.stream &&
        required === rule.required &&
        withoutLinks === rule.withoutLinks
      );
    })
  );
}

function rulesOf(who: NamespaceRule["addedBy"], rules: readonly NamespaceRule[]): NamespaceRule[] {
  return rules.filter(({ addedBy }) => addedBy === who);
}

/** @param scratch descriptor that the opened path gets */
function ruleSteps(rule: NamespaceRule, scratch: number, hold: readonly Step[]): Step[] {
  const name = nameOf(rule);
  const steps: Step[] =
    rule.stream === undefined
      ? [
          openPlainStep(name, rule.path, { O_PATH, O_CLOEXEC }, rule.withoutLinks),
          addRuleStep(rule, scratch),
          ...hold,
          { name, call: "close", args: [scratch] },
        ]
      : [addRuleStep(rule, rule.stream)];
  // The task starts even if this kernel lacks a default path.
  const flow: Flow = { kind: "tolerateErrors" };
  return rule.required ? steps : steps.map((step) => ({ ...step, flow }));
}

function addRuleStep(rule: KnownRule, descriptor: number): Step {
  const attr = pathBeneathAttr(rule.access, descriptor);
  const meaning = `{allowed_access: 0x${rule.access.toString(16)}, parent_fd: ${descriptor}}`;
  return {
    name: nameOf(rule),
    call: "landlock_add_rule",
    args: [descriptors.ruleset, k.LANDLOCK_RULE_PATH_BENEATH, bytes(attr, meaning), 0],
  };
}

function nameOf({ path }: KnownRule): string {
  return `unveil ${path}`;
}

/** The process restricts itself: landlock_restrict_self(2). */
export function restrictSteps(recordDenials: boolean): readonly Step[] {
  return recordDenials ? enforcedAndRecorded : enforced;
}

/**
 * By default the kernel does not record a domain's denials after an execve(2), so a flag requests these
 * records. Another flag excludes the denials of domains that the task itself creates, as browsers do. Those
 * denials concern the task alone.
 */
function restrictStep(recordDenials: boolean): Step {
  const { LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON, LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF } = k;
  const recorded = flags({
    LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON,
    LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF,
  });
  return {
    name: "enforce the Landlock ruleset",
    call: "landlock_restrict_self",
    args: [descriptors.ruleset, recordDenials ? recorded : 0],
    hints: {
      E2BIG:
        "Landlock allows 16 layers of rules on top of each other: the driver itself already runs in too many",
    },
  };
}

const enforced = shared([restrictStep(false)]);
const enforcedAndRecorded = shared([restrictStep(true)]);
