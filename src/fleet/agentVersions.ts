/** What is known of the versions of Nomad as agents of this driver: docs/install.md has the runs. Pure. */
import { compareVersions } from "./nodes.ts";

export interface AgentProblem {
  readonly what: string;
  readonly consequence: string;
  readonly remedy: string;
}

/** Lines of versions of which one has run the driver through the cases of test/agent. */
const triedLines: ReadonlySet<string> = new Set(["1.8", "1.10", "1.11", "2.0"]);

/**
 * The first version and the last one whose clients panic in `dynamicUsersHook.Prestart` when a task with a dynamic user
 * is restarted: the hook assigns to a map that it has not made.
 */
const panicking = ["1.8.0", "1.9.5"] as const;

/** What every version in {@link panicking} lacks, for people who cannot ask their agent. */
export const panickingVersions = `Agents from ${panicking.join(" to ")} end by a fault of their own when a task without \`user\` is restarted`;

/**
 * @param version such as `1.9.3`, `1.9.3+ent` or `2.0.6-dev`
 * @returns what to know of an agent of this version; undefined if nothing
 */
export function agentProblem(version: string): AgentProblem | undefined {
  const [numbers = ""] = /^\d+(\.\d+)*/.exec(version) ?? [];
  const [first, last] = panicking;
  if (compareVersions(numbers, first) >= 0 && compareVersions(numbers, last) <= 0) {
    return {
      what: `Nomad ${version} panics when a task with a dynamic user is restarted`,
      consequence: "the agent ends, whatever driver the task has; its tasks go on until it is started again",
      remedy: `Set \`user\` in each job, or upgrade Nomad beyond ${last}`,
    };
  }
  if (triedLines.has(numbers.split(".").slice(0, 2).join("."))) return undefined;
  return {
    what: `Nomad ${version} has not been tried with this driver`,
    consequence: "what it does otherwise than other versions is not known",
    remedy: "Try it on one node first: NOMAD=/path/to/nomad npm run test:agent",
  };
}
