/** Records of what the kernel refuses to tasks. */
import { findDenialProblem } from "../../effects/denials/denialWatch.ts";
import { NodeDenials } from "../denials/nodeDenials.ts";
import { type NodePart, ownProblem } from "./nodePart.ts";

export const denials = {
  open: ({ log }) => new NodeDenials(log),
  configure: (kept, { options, facts }) => kept.configure(options.denials, facts.landlockAbi),
  offer: {
    changes: ({ problems }) => problems,
    now: ownProblem,
    find: async ({ landlockAbi }) => ({ problem: await findDenialProblem("auto", landlockAbi) }),
    attributes: ({ problem }) => ({ denials: problem === undefined, "denials.problem": problem }),
    lack: {
      // Otherwise never a problem: audit is turned off on most hosts.
      counts: (options) => options.denials === "on",
      isVital: false,
      means: (problem) => ({
        what: `what the sandbox refuses is not recorded (${problem})`,
        consequence: "the verb why cannot name denials",
        remedy: 'Make sure that the kernel has audit and Landlock ABI 7, or set denials = "auto"',
      }),
    },
    check: {
      name: "records of denials",
      found: ({ problem }) => problem ?? "yes",
      serves: "telling what a task was denied",
    },
  },
} satisfies NodePart<NodeDenials>;
