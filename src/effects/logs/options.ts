/** The options of a task's log files. Pure. */
import { DriverError } from "../../base/errors.ts";
import { formatMebibytes } from "../../units/sizes.ts";
import {
  checkedText,
  flag,
  limitWithin,
  mebibytes,
  mebibytesUpTo,
  oneOf,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  sizeWithUnit,
  type TaskValues,
  wholeNumber,
} from "../options/fields.ts";
import { hclName } from "../options/hclOptions.ts";
import type { Destination, LogPipes } from "./destination.ts";
import { allowsJournald, journalIdentifier } from "./journal.ts";

const collectors = ["agent", "driver", "journald"] as const;
const keeps = ["none", "failed"] as const;

export const logsOptions = {
  task: () => ({
    logCollection: oneOf(collectors).optional().meta({
      description:
        "as the plugin's option, which is the default. Where the agent collects, `driver` needs `logs { disabled = true }` in the job. `journald` needs the plugin's `allow_journald`",
      example: "driver",
    }),
    logMaxFiles: maxFiles().optional().meta({
      description: "number of log files of each stream that the driver keeps †",
      example: 3,
    }),
    logMaxFileSize: maxFileSize().optional().meta({
      description: "size after which the driver begins the next log file †",
      example: 5,
    }),
  }),
  plugin: () => ({
    writableLogs: flag().default(false).meta({
      description: "whether tasks may write to `alloc/logs` ([log files](#log-files))",
      example: true,
    }),
    logCollection: oneOf(collectors).default("agent").meta({
      description:
        "who takes tasks' output: the agent or the driver, for [log files](#log-files), or [journald](#journald)",
      example: "driver",
    }),
    allowJournald: flag().default(false).meta({
      description: 'whether jobs may use `log_collection = "journald"`; not needed where the plugin has it',
      example: true,
    }),
    journalNamespace: journalNamespace().optional().meta({
      description: "the namespace of [journald](#journald) for tasks' output; by default the host's journal",
      example: "nomad",
    }),
    keepOutput: oneOf(keeps).default("none").meta({
      description:
        "whether the last 64 KiB of a failed task's output go into its [history](#history), without values of its environment",
      example: "failed",
    }),
    logMaxFiles: maxFiles().default(10).meta({
      description: "number of log files of each stream that the driver keeps, 1 to 1000 †",
      example: 20,
    }),
    logMaxFileSize: maxFileSize().default(10).meta({
      description: "size after which the driver begins the next log file, at least a MiB †",
      example: 50,
    }),
    logRate: logRate().default(64).meta({
      description:
        "how many MiB of a task's output the driver's logger takes in a second, at least 4; 0: as fast as it comes ([log files](#log-files)) †",
      example: 16,
    }),
  }),
} satisfies PartOptions;

/** Part of the socket's path, and of an instance's name in systemd. */
function journalNamespace() {
  return checkedText((value) =>
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(value)
      ? undefined
      : { message: "must be letters, digits, _, . and -", hint: "It is the NAME of systemd-journald@NAME" },
  );
}

interface Values {
  readonly task: TaskValues<typeof logsOptions>;
  readonly plugin: PluginValues<typeof logsOptions>;
}

/** What a request says of the task's output. */
export interface LogRequest extends LogPipes {
  readonly taskName: string;
  /** The job that people know, which is not the one of a single periodic or dispatched run. */
  readonly jobId: string;
}

/** Where a task's output goes, and the paths of its log files' pipes. */
export interface LogDestination extends Pick<LogRequest, "stdoutPath" | "stderrPath"> {
  readonly output: Destination;
}

/**
 * Decides who writes a task's log files. A job without logs has none, unless the task itself asks the driver for
 * them: then the result names the paths that an agent would.
 * @throws DriverError `CONFIG_INVALID` if both or neither would write them
 */
export function logDestination(
  request: LogRequest,
  task: Values["task"],
  plugin: Values["plugin"],
): LogDestination {
  const { stdoutPath, stderrPath } = request;
  const asAgentSays = { stdoutPath, stderrPath, output: { to: "agent" } } as const;
  const isDisabled = stdoutPath === "/dev/null";
  const agentCollects = plugin.logCollection === "agent";
  if (task.logCollection === "agent" && !agentCollects) {
    throw conflict("the agent does not collect logs for this driver, so nobody would write its log files", {
      hint: 'Leave it out, or set log_collection = "agent" in the client\'s plugin block of this driver',
    });
  }
  if (isDisabled && (task.logCollection ?? "agent") === "agent") return asAgentSays;
  const collector = task.logCollection ?? plugin.logCollection;
  if (collector === "agent") return asAgentSays;
  const pathOf = (stream: "stdout" | "stderr") =>
    `${request.allocDir}/alloc/logs/.${request.taskName}.${stream}.fifo`;
  const paths = { stdoutPath: pathOf("stdout"), stderrPath: pathOf("stderr") };
  if (collector === "journald") {
    refuseUnlessAllowed("logCollection", true, "allowJournald", { allowJournald: allowsJournald(plugin) });
    const identifier = journalIdentifier(request.jobId, request.taskName);
    const stream = { identifier, namespace: plugin.journalNamespace ?? null };
    return {
      ...(agentCollects && !isDisabled ? { stdoutPath, stderrPath } : paths),
      output: { to: "journald", stream },
    };
  }
  if (!isDisabled && agentCollects) {
    throw conflict("the agent collects its logs, too, so both would write the same files", {
      hint: 'Set logs { disabled = true } in the task, or log_collection = "driver" in the client\'s plugin block of this driver',
    });
  }
  const bounds = {
    maxFiles: limitWithin("logMaxFiles", task.logMaxFiles, plugin.logMaxFiles),
    maxFileBytes:
      limitWithin("logMaxFileSize", task.logMaxFileSize, plugin.logMaxFileSize, formatMebibytes) * 2 ** 20,
    bytesPerSecond: plugin.logRate * 2 ** 20,
  };
  return { ...paths, output: { to: "files", bounds } };
}

function conflict(why: string, { hint }: { readonly hint: string }): DriverError {
  const option = hclName("logCollection");
  return new DriverError("CONFIG_INVALID", `The task's config has option "${option}", but ${why}`, {
    ...{ option, hint },
  });
}

/** More files would make their folder slow to list, for readers too. */
const maxFiles = () =>
  wholeNumber().refine((files) => files >= 1 && files <= 1_000, "must be from 1 to 1000");

const maxFileSize = () => mebibytesUpTo(1_048_576);

/** At 4 MiB a second, what two pipes can hold at the end of a run takes half a second: the driver waits for two. */
const logRate = () =>
  mebibytes().refine(
    (rate) => rate === 0 || (rate >= 4 && rate <= 1_048_576),
    `must be 0, or from 4 to 1048576, in MiB, or ${sizeWithUnit}`,
  );
