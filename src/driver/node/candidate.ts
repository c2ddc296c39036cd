/** The job file by which observed runs are judged. */
import { NodeCandidate } from "../observe/candidate.ts";
import { type NodePart, ownProblem } from "./nodePart.ts";

export const candidate = {
  open: ({ log, readCandidate }) => new NodeCandidate(readCandidate, log),
  configure: (kept, { options }) => kept.configure(options),
  offer: {
    changes: ({ problems }) => problems,
    now: ownProblem,
    attributes: ({ problem }, { candidate: file }) => ({
      "candidate.problem": file === "" ? undefined : problem,
    }),
    lack: {
      counts: ({ candidate: file }) => file !== "",
      isVital: false,
      means: (problem) => ({
        what: `no task is judged by the candidate (${problem})`,
        consequence: "nobody learns what it would refuse",
        remedy: "Correct candidate, or the job file that it names, set observe, and restart the Nomad agent",
      }),
    },
  },
} satisfies NodePart<NodeCandidate>;
