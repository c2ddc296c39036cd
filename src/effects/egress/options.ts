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
  checkWithinClient(egress, plugin, 'The task\'s config has option "egress" with');
  return { egress };
}

/**
 * Whether a client lets its tasks have these entries.
 * @param subject who has them, for the error
 * @throws DriverError `CONFIG_INVALID`
 */
export function checkWithinClient(
  entries: readonly string[],
  client: { readonly egress?: readonly string[] | undefined; readonly egressDenied: readonly string[] },
  subject: string,
): void {
  const refused = (problem: string, remedy: string) =>
    new DriverError("CONFIG_INVALID", `${subject} ${problem}`, {
      option: "egress",
      hint: `Remove them, or ${remedy} in the client's plugin block of this driver`,
    });
  const beyond = client.egress === undefined ? [] : egressBeyond(entries, client.egress);
  if (beyond.length > 0) {
    const places = client.egress?.length ? client.egress.join(", ") : "only loopback";
    throw refused(`${beyond.join(", ")}, but this client allows ${places}`, "add them to egress");
  }
  const denied = egressWithin(entries, client.egressDenied);
  if (denied.length === 0) return;
  throw refused(
    `${denied.join(", ")}, but this client denies ${client.egressDenied.join(", ")}`,
    "take them out of egress_denied",
  );
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
