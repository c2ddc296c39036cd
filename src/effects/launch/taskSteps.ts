/** The steps of a task's process before it executes its command. Pure. */
import { executeStep, type Program, workDirSteps } from "../command/commandSteps.ts";
import * as k from "../kernel/constants.ts";
import { restrictSteps } from "../landlock/landlockSteps.ts";
import { limitSteps, type TaskLimit } from "../limits/ulimits.ts";
import type { TaskOptions } from "../parts.ts";
import { closeRangeStep, reportIdentitySteps } from "../plan/commonSteps.ts";
import { descriptors, flags, type Step, type SystemCallFilter, shared } from "../plan/plan.ts";
import { filterStep } from "../seccomp/systemCallFilter.ts";
import type { TaskCapabilities } from "../users/capabilities.ts";
import { identitySteps } from "../users/identitySteps.ts";

const { PR_SET_NO_NEW_PRIVS, CLOSE_RANGE_CLOEXEC } = k;

/** A process of the task: its program and its rights. */
export interface TaskProcess extends Program {
  /** The task's options as the job sets them. A command that joins the task has these options, too. */
  readonly options: TaskOptions;
  /** The working directory. The process enters it with the task's rights. */
  readonly workDir: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. The task inherits none from this process. */
  readonly groups: readonly number[];
  /** Limits that differ from this process's, such as the limit on open files: Node raises its own. */
  readonly limits: readonly TaskLimit[];
  /** Undefined if the change of user alone leaves the right capability sets. */
  readonly capabilities: TaskCapabilities | undefined;
  /** Undefined if the task may make every system call. */
  readonly filter: SystemCallFilter | undefined;
  /** Whether the kernel is to record refusals of Landlock (from ABI 7 on) and of the filter. */
  readonly recordDenials: boolean;
}

/** Additional steps between those that all processes of a task have in common. */
export interface FurtherSteps {
  /** As root, right after the process has become a session leader. */
  readonly inSession?: readonly Step[];
  /** As root, right after the process has reported its identity. */
  readonly identified?: readonly Step[];
  /** As the task's user. */
  readonly asUser?: readonly Step[];
  /**
   * As the task's user and restricted by Landlock, but not by the filter yet: the process waits for its release.
   * It has the descriptors of the plugin's pipe and of the status file until it executes its command.
   */
  readonly held?: readonly Step[];
}

/** @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set */
export function taskSteps(input: TaskProcess, further: FurtherSteps = {}): Step[] {
  return [
    ...startSession,
    ...(further.inSession ?? []),
    ...reportTask,
    ...(further.identified ?? []),
    ...limitSteps(input.limits, input.options),
    ...(further.held ? closeOthersButHeld : closeOthers),
    ...identitySteps(input),
    // As the task's user, because root could enter folders that the user may not enter.
    ...workDirSteps(input.workDir),
    ...setNoNewPrivs,
    ...(further.asUser ?? []),
    ...restrictSteps(input.recordDenials),
    ...hideDescriptors,
    ...(further.held ?? []),
    // The filter comes last, so it need not allow the calls of earlier steps.
    ...(input.filter === undefined ? [] : [filterStep(input.filter, input.recordDenials)]),
    executeStep(input),
  ];
}

/** This also creates a process group, to which signals are sent. */
const startSession = shared([{ name: "start a session for the task", call: "setsid", args: [] }]);

const reportTask = shared(reportIdentitySteps("report the task"));

/** Name of the steps that close the driver's descriptors. */
const closeStep = "close the driver's descriptors";

/**
 * Leaves open only the task's descriptors, the report pipe and the ruleset. These steps come before any step
 * that opens a path which somebody else may have made. Such a path could lead to any other open descriptor,
 * such as the host's `/proc`.
 */
const closeOthers = shared([
  { name: closeStep, call: "close", args: [descriptors.plan] },
  closeRangeStep(closeStep, descriptors.ruleset + 1),
]);

/** Like {@link closeOthers}, for a process that is held: a path that leads to what it keeps gains nothing. */
const closeOthersButHeld = shared([
  { name: closeStep, call: "close", args: [descriptors.plan] },
  { name: closeStep, call: "close", args: [descriptors.hostProc] },
  closeRangeStep(closeStep, descriptors.status + 1),
]);

const setNoNewPrivs = shared([
  { name: "set no_new_privs", call: "prctl", args: [flags({ PR_SET_NO_NEW_PRIVS }), 1, 0, 0, 0] },
]);

const hideDescriptors = shared([
  closeRangeStep("hide descriptors", descriptors.stderr + 1, flags({ CLOSE_RANGE_CLOEXEC })),
]);
