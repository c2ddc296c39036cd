/** Roots of tasks' own. */
import { findRootProblem, RootTemplates } from "../../effects/root/rootTemplates.ts";
import type { NodePart } from "./nodePart.ts";

export const roots = {
  open: ({ folder }) => new RootTemplates(folder.run),
  probe: async (kept) => {
    kept.problem = await findRootProblem(kept);
  },
  offer: {
    now: (kept) => ({ problem: kept?.problem }),
    find: async () => ({ problem: await findRootProblem() }),
    attributes: ({ problem }, { root }) => ({ root: problem === undefined ? root : "host" }),
    lack: {
      counts: () => true,
      isVital: false,
      means: (problem) => ({
        what: `tasks cannot have a root of their own (${problem})`,
        consequence: "they see names and sizes of the host's files that are not unveiled",
        remedy:
          "Allow root to mount file systems and to call pivot_root(2), which fails while / is an initramfs, and in a chroot whose / is no mount point",
      }),
    },
    check: {
      name: "private roots",
      needsRoot: true,
      found: ({ problem }) => (problem === undefined ? "can be made" : "cannot be made"),
      serves: "hiding the host's files",
    },
  },
} satisfies NodePart<RootTemplates>;
