/** What `doctor` says of options that a later version will not have. */
import { DriverError } from "../../../base/errors.ts";
import { deprecatedIn, type PluginOptions } from "../../../driver/options/pluginOptions.ts";
import type { HostProblem } from "../../../effects/host/hostHealth.ts";
import {
  type DeprecatedOption,
  deprecatedAmong,
  hasDeprecated,
} from "../../../effects/options/deprecation.ts";
import { taskSchema } from "../../../effects/parts.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { readable } from "../../histories/readHistory.ts";

/** The deprecated options of a plugin block. */
export function deprecatedOfPlugin(options: PluginOptions): HostProblem[] {
  return deprecatedIn(options).map((each) =>
    problemOf(each, "the plugin block", "the plugin then refuses it"),
  );
}

/**
 * The deprecated options with which the tasks in a host's histories were started, with their jobs. Reads the first
 * event of each run, if any option is deprecated at all.
 */
export async function deprecatedInHistories(stateDir: string): Promise<HostProblem[]> {
  if (!hasDeprecated(taskSchema())) return [];
  const jobs = new Map<string, { readonly of: DeprecatedOption; readonly jobs: Set<string> }>();
  try {
    await using logs = await EventLogs.open(stateDir);
    for (const { id, reader } of logs.tasks()) {
      const [first] = reader.readStream(id, 1);
      const event = first && readable(first);
      if (event?.type !== "requested") continue;
      for (const of of deprecatedAmong(taskSchema(), Object.keys(event.data.options))) {
        const known = jobs.get(of.option) ?? { of, jobs: new Set() };
        jobs.set(of.option, known);
        known.jobs.add(event.data.jobId);
      }
    }
  } catch (thrown) {
    // There is no log yet, or the check of the state folder says why it cannot be read.
    if (!(thrown instanceof DriverError)) throw thrown;
  }
  return [...jobs.values()].map(({ of, jobs: own }) =>
    problemOf(
      of,
      `${own.size === 1 ? "job" : "jobs"} ${[...own].sort().join(", ")}`,
      "their tasks then fail to start",
    ),
  );
}

function problemOf({ option, since, instead }: DeprecatedOption, who: string, then: string): HostProblem {
  return {
    what: `the option ${option} of ${who} is deprecated since ${since}`,
    consequence: `a later version will not have it, and ${then}`,
    remedy: `Instead of ${option}: ${instead}`,
  };
}
