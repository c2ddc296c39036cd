/** The options of the places where a task may connect. Pure. */
import { DriverError } from "../../base/errors.ts";
import {
  checkedText,
  list,
  type PartOptions,
  type PluginValues,
  type TaskValues,
} from "../options/fields.ts";
import {
  deniedProblem,
  egressBeyond,
  egressProblem,
  egressWithin,
  maxEgressEntries,
  maxEgressNames,
  namesIn,
} from "./egress.ts";

export const egressOptions = {
  task: () => ({
    egress: egressList(egressProblem)
      .optional()
      .meta({
        description:
          "[where the task may connect](egress.md): addresses, ranges and names, each with a port or without; `[]`: only loopback †",
        example: ["10.0.0.0/8:5432", "udp:10.0.0.53:53", "api.example.org:443"],
      }),
  }),
  plugin: () => ({
    egress: egressList(egressProblem)
      .optional()
      .meta({
        description: "[where tasks may connect](egress.md), by default everywhere †",
        example: ["10.0.0.0/8", "api.example.org:443"],
      }),
    egressDenied: egressList(deniedProblem)
      .default([])
      .meta({
        description:
          "addresses and ranges that no task reaches by TCP or UDP, whatever `egress` says ([egress](egress.md#what-the-operator-sets))",
        example: ["169.254.169.254", "fd00:ec2::254"],
      }),
  }),
} satisfies PartOptions;

/**
 * Where a task may connect. If the client has a list, the job's must be within it, and no entry of the job may
 * be one that the client denies as a whole.
 * @throws DriverError `CONFIG_INVALID`
 */
export function settleEgress(
  { egress }: Pick<TaskValues<typeof egressOptions>, "egress">,
  plugin: Pick<PluginValues<typeof egressOptions>, "egress" | "egressDenied">,
): { egress: string[] | undefined } {
  if (egress === undefined) return { egress: plugin.egress };
  const beyond = plugin.egress === undefined ? [] : egressBeyond(egress, plugin.egress);
  if (beyond.length > 0) {
    const places = plugin.egress?.length ? plugin.egress.join(", ") : "only loopback";
    throw refusedEgress(`${beyond.join(", ")}, but this client allows ${places}`, "add them to egress");
  }
  const denied = egressWithin(egress, plugin.egressDenied);
  if (denied.length === 0) return { egress };
  throw refusedEgress(
    `${denied.join(", ")}, but this client denies ${plugin.egressDenied.join(", ")}`,
    "take them out of egress_denied",
  );
}

function refusedEgress(problem: string, remedy: string): DriverError {
  return new DriverError("CONFIG_INVALID", `The task's config has option "egress" with ${problem}`, {
    option: "egress",
    hint: `Remove them, or ${remedy} in the client's plugin block of this driver`,
  });
}

/** A list of destinations. */
const egressList = (problemOf: typeof egressProblem) =>
  list(checkedText(problemOf))
    .refine(
      (entries) => entries.length <= maxEgressEntries,
      `must have at most ${maxEgressEntries} entries: name ranges around them`,
    )
    .refine(
      (entries) =>
        entries.some((each) => problemOf(each) !== undefined) || namesIn(entries).length <= maxEgressNames,
      `must have at most ${maxEgressNames} names: use ranges for the others`,
    );
