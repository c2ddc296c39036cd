/** Runs the stop command of a task: a command of the job that asks the task to stop, before the stop's signal. */
import { text } from "node:stream/consumers";
import { DriverError, lineOf, messageOf } from "../../base/errors.ts";
import { TaskOutput } from "../../effects/exec/taskOutput.ts";
import { destinationOf } from "../../effects/logs/destination.ts";
import { isSameProcess } from "../../effects/processes/processIdentity.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { ExitResult } from "../driverPort.ts";
import type { CommandServices, RunCommands, TaskExec } from "../exec/commands.ts";
import { requestedOptions } from "../history/startEvents.ts";

/** The part of a stop's timeout that is kept for the signal, and its maximum in milliseconds. */
const signalShare = 1 / 5;
const maxSignalMs = 5_000;

/** Milliseconds of a stop's timeout that its command may take. */
export function commandTimeOf(timeoutMs: number): number {
  return timeoutMs - Math.min(timeoutMs * signalShare, maxSignalMs);
}

/** The stop command of a task; empty if it has none. */
export function stopCommandOf({ request }: Pick<TaskContext, "request">): readonly string[] {
  return request === null ? [] : requestedOptions(request).stopCommand;
}

/**
 * Runs a stop command in the task's sandbox, with its output in the task's log. A command that takes too long is
 * killed. Never rejects.
 * @param context of a running task
 * @param command the stop command, with the values that its history only refers to
 * @param limitMs milliseconds that the command may take
 */
export async function runStopCommand(
  context: TaskContext,
  command: readonly string[],
  limitMs: number,
  commands: RunCommands,
  services: () => CommandServices,
): Promise<EventData<"stopCommandEnded">> {
  const none = { end: null, error: null, limitMs };
  if (limitMs <= 0) return { ...none, reason: "timedOut" };
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, limitMs);
  try {
    const session = startIntoLog(context, command, commands, services());
    const exit = await Promise.race([session.then(({ ended }) => ended), late.promise]);
    if (exit !== undefined) return { ...none, ...endOf(exit, context) };
    // It may still be starting.
    void session.then(({ end }) => end("timedOut")).catch(() => undefined);
    return { ...none, reason: "timedOut" };
  } catch (thrown) {
    if (!isAlive(context)) return { ...none, reason: "taskEnded" };
    return { ...none, reason: "notRun", error: messageOf(thrown) };
  } finally {
    clearTimeout(timer);
  }
}

/** A command that cannot be found or executed has ended at once, and the task's log says why. */
async function startIntoLog(
  context: TaskContext,
  command: readonly string[],
  commands: RunCommands,
  services: CommandServices,
): Promise<TaskExec> {
  const { request, sandbox, process } = context;
  if (request === null || sandbox === null || process === null) {
    throw new DriverError("UNSUPPORTED", "no command can be run in a task that another driver has started");
  }
  using output = new TaskOutput({
    ...request,
    isOwn: destinationOf(request).to !== "agent",
    owner: sandbox,
    init: process.init,
  });
  try {
    const session = await commands.run({ command, terminal: false, size: undefined, output }, services);
    const refusal = await text(session.stderr);
    if (refusal !== "") output.write(`stop_command: ${refusal.trimEnd()}`);
    return session;
  } catch (thrown) {
    if (thrown instanceof DriverError) output.write(`stop_command: ${lineOf(thrown)}`);
    throw thrown;
  }
}

function endOf(
  { exitCode, signal }: ExitResult,
  context: TaskContext,
): Pick<EventData<"stopCommandEnded">, "reason" | "end"> {
  // The kernel kills the command together with the task's pid namespace.
  if (signal > 0 && !isAlive(context)) return { reason: "taskEnded", end: null };
  return { reason: "ended", end: { exitCode, signal } };
}

function isAlive({ process }: TaskContext): boolean {
  return process !== null && isSameProcess(process.task);
}
