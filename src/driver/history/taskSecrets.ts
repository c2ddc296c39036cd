/** The secrets of tasks that another process has started: this one never got their environments. */
import { mayBeSecret, Secrets } from "../../base/masking.ts";
import { readTaskEnviron } from "../../effects/exec/taskEnviron.ts";
import type { TaskContext } from "../../machines/taskContext.ts";

/**
 * The secrets of a running task, from its main process. They are incomplete if a program has overwritten its
 * environment, or has ended.
 */
export function secretsOfRunning(context: TaskContext): Secrets {
  const { request, process } = context;
  const ended = secretsOfEnded(context);
  if (ended.isComplete || request === null || process === null) return ended;
  try {
    const env = readTaskEnviron(process.task);
    return new Secrets(
      env,
      secretNames(request).every((name) => Object.hasOwn(env, name)),
    );
  } catch {
    return ended;
  }
}

/** The secrets of a task that has ended: they are known only if it had none. */
export function secretsOfEnded({ request }: Pick<TaskContext, "request">): Secrets {
  return request !== null && secretNames(request).length === 0 ? Secrets.none : Secrets.unknown;
}

function secretNames({ envKeys }: NonNullable<TaskContext["request"]>): string[] {
  return envKeys.filter(mayBeSecret);
}
