/** Why an allocation failed, from the events of its tasks in Nomad's state. Pure. */
import { isErrorCode } from "../base/errors.ts";
import { signalName } from "../base/signalNames.ts";
import { readCause, withoutIds } from "./causeText.ts";
import type { AllocationStub, TaskEventStub, TaskStateStub } from "./stubs.ts";

export interface Failure {
  /**
   * A kind of cause (src/machines/events/cause.ts), a code of docs/errors.md, or where Nomad has no cause: `exit_code`,
   * `signal`, `out_of_memory`, `start` for a start that another driver refused, `setup` for what the client does before
   * it, `client` for an allocation whose tasks say nothing.
   */
  readonly kind: string;
  /** What the cause is about: a path, a port, an exit code; null if nothing is named. */
  readonly object: string | null;
  /** What Nomad's state says of it. */
  readonly text: string;
  /** The task that failed first; null if none did. */
  readonly task: string | null;
  /** When: milliseconds since the epoch. */
  readonly atMs: number;
  /** Whether it is a failure of a task of this driver; undefined if Nomad's state does not tell. */
  readonly isExec2: boolean | undefined;
}

/** Why the allocation failed, or waits to be restarted; undefined if it did neither. */
export function failureOf(allocation: AllocationStub): Failure | undefined {
  const { ClientStatus: status, ClientDescription: description, ModifyTime: modified } = allocation;
  const tasks = Object.entries(allocation.TaskStates ?? {});
  if (status === "failed") {
    const failed = tasks.filter(([, { Failed }]) => Failed).map(([task, state]) => failureIn(task, state));
    const [first] = failed.filter((each) => each !== undefined).sort((one, other) => one.atMs - other.atMs);
    return (
      first ?? {
        ...{ kind: "client", object: null, text: description || "nothing is said of it" },
        ...{ task: null, atMs: modified / 1e6, isExec2: undefined },
      }
    );
  }
  if (status !== "running" && status !== "pending") return undefined;
  // A task that Nomad starts again without end never makes its allocation fail.
  const waiting = tasks.flatMap(([task, state]) => (isWaiting(state) ? [failureIn(task, state)] : []));
  return waiting.find((each) => each !== undefined);
}

/** Whether the task has ended badly, and is not yet started again. */
function isWaiting({ State, Events }: TaskStateStub): boolean {
  return State === "pending" && (Events ?? []).at(-1)?.Type === "Restarting";
}

function failureIn(task: string, { Events, FinishedAt }: TaskStateStub): Failure | undefined {
  // A service that completes has failed, if its job does not restart it.
  const event = Events?.findLast(isFailure) ?? Events?.findLast(({ Type }) => Type === "Terminated");
  if (event === undefined) return undefined;
  const finished = Date.parse(FinishedAt ?? "");
  return { ...describe(event), task, atMs: Number.isNaN(finished) ? event.Time / 1e6 : finished };
}

/** Types of events (nomad/structs.TaskEvent) that say why a task failed. */
const failures: Readonly<Record<string, string>> = {
  "Driver Failure": "start",
  "Setup Failure": "setup",
  "Failed Validation": "setup",
  "Failed Artifact Download": "setup",
  "Task hook failed": "setup",
  "Failed Restoring Task": "setup",
  "Disk Resources Exceeded": "setup",
};

function isFailure({ Type, ExitCode, Signal, Details }: TaskEventStub): boolean {
  if (Type === "Terminated") return ExitCode !== 0 || Signal !== 0 || Details?.oom_killed === "true";
  return failures[Type] !== undefined;
}

type Described = Pick<Failure, "kind" | "object" | "text" | "isExec2">;

function describe(event: TaskEventStub): Described {
  const { Type, DisplayMessage, Details } = event;
  if (Type === "Terminated") return ended(event);
  const said = Details?.driver_error || DisplayMessage || Type;
  const [, code = "", text = ""] = /\bdesc = ([A-Z][A-Z0-9_]+): (.*)$/s.exec(said) ?? [];
  if (Type === "Driver Failure" && isErrorCode(code))
    return { kind: code, object: objectOfError(text), text, isExec2: true };
  const kind = failures[Type] ?? "setup";
  return { kind, object: withoutIds(said), text: said, isExec2: undefined };
}

/** The object of the failed call, or else the first path that the error names. */
function objectOfError(text: string): string | null {
  const [, ofCall] = /\([a-z0-9_]+ (\S.*?): E[A-Z0-9]+\)/.exec(text) ?? [];
  const [path] = /(?<![\w.])\/[^\s,;:()"']+/.exec(text) ?? [];
  return withoutIds(ofCall ?? path);
}

function ended({ ExitCode, Signal, Details }: TaskEventStub): Described {
  const message = Details?.exit_message ?? "";
  const [, own] = /^(.*) \(nomad-driver-exec2 why \S+\)$/s.exec(message) ?? [];
  const isExec2 = own === undefined ? undefined : true;
  const text = (own ?? message).replace(/(?:^|; )its output ends with: ".*$/s, "");
  const cause = own === undefined ? undefined : readCause(text);
  if (cause !== undefined) return { ...cause, text, isExec2 };
  const end =
    Details?.oom_killed === "true"
      ? { kind: "out_of_memory", object: null, text: "killed for lack of memory" }
      : Signal > 0
        ? { kind: "signal", object: signalName(Signal), text: `killed by ${signalName(Signal)}` }
        : { kind: "exit_code", object: String(ExitCode), text: `exit code ${ExitCode}` };
  return { ...end, text: text === "" ? end.text : `${end.text}: ${text}`, isExec2 };
}
