/** The host's journald, which is asked anew each time: the plugin keeps nothing of it. */
import { allowsJournald } from "../../effects/logs/journal.ts";
import { journalProblem } from "../../effects/logs/journalSocket.ts";
import type { NodePart } from "./nodePart.ts";

export const journald = {
  offer: {
    now: (_kept, options) => ({
      problem: allowsJournald(options) ? journalProblem(options.journalNamespace ?? null) : undefined,
    }),
    find: () => ({ problem: journalProblem(null) }),
    attributes: ({ problem }, options) => ({
      journald: allowsJournald(options) && problem === undefined,
      "journald.problem": problem,
    }),
    lack: {
      // Otherwise never a problem: only tasks that ask for it need it.
      counts: ({ logCollection }) => logCollection === "journald",
      isVital: true,
      means: (problem) => ({
        what: problem,
        consequence: 'no task starts with log_collection = "journald"',
        remedy: "Start systemd-journald, or choose another log_collection in the plugin's block",
      }),
    },
    check: {
      name: "journald",
      found: ({ problem }) => (problem === undefined ? "takes output" : `${problem}: start systemd-journald`),
      serves: "keeping tasks' output",
    },
  },
} satisfies NodePart<never>;
