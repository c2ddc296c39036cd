/** Restrictions on where tasks connect. Their modules are loaded only where they are needed. */
import { egressLists } from "../../effects/egress/egress.ts";
import { NodeEgress } from "../egress/nodeEgress.ts";
import { type NodePart, ownProblem } from "./nodePart.ts";

export const egress = {
  open: ({ log, folder }) => new NodeEgress(log, folder),
  probe: (kept, facts) => kept.probe(facts),
  offer: {
    changes: ({ problems }) => problems,
    now: ownProblem,
    find: async ({ cgroupMount }) => {
      const { findEgressProblem } = await import("../../effects/egress/egressMaps.ts");
      return { problem: findEgressProblem(cgroupMount) };
    },
    attributes: ({ problem }) => ({ egress: problem === undefined, "egress.problem": problem }),
    lack: {
      counts: (options) => egressLists(options, options) !== undefined,
      isVital: true,
      means: (problem) => ({
        what: `the host cannot restrict where tasks connect (${problem})`,
        consequence: "no task starts with egress or egress_denied in the plugin's block",
        remedy: "Use a kernel with BPF in cgroups (CONFIG_CGROUP_BPF), or remove these options",
      }),
    },
    check: {
      name: "egress",
      needsRoot: true,
      found: ({ problem }) => problem ?? "can be restricted",
      serves: "restricting where tasks connect",
    },
  },
} satisfies NodePart<NodeEgress>;
