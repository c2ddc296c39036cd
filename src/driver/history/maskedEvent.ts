/** Masks in events what comes from a task, so that no value of its environment gets into its history. Pure. */
import type { Secrets } from "../../base/masking.ts";
import { MASK } from "../../machines/events/defineEvent.ts";
import type { EventData, EventType } from "../../machines/events.ts";

type Change<T extends EventType> = (data: EventData<T>, secrets: Secrets) => EventData<T>;

/** The types of events that quote a task, its job or an error; all others consist of the driver's own words. */
const changes: { readonly [T in EventType]?: Change<T> } = {
  requested: (data, secrets) => ({ ...data, options: maskedOptions(data.options, secrets) }),
  sandboxed: (data, secrets) => {
    const { command, unveiled, skipped, plan } = data;
    const workDir = secrets.reference(data.workDir);
    return { ...data, workDir, ...secrets.maskAll({ command, unveiled, skipped, plan }) };
  },
  startFailed: (data, secrets) => {
    const { message, summary, failed, hint } = data;
    return { ...data, ...secrets.maskAll({ message, summary, failed, hint }) };
  },
  denied: (data, secrets) => ({
    ...data,
    refusals: data.refusals.map((each) => {
      const { object, program } = each;
      if (!secrets.isComplete) return { ...each, object: isAddress(object) ? object : null, program: null };
      return { ...each, ...secrets.maskAll({ object, program }) };
    }),
  }),
  execStarted: (data, secrets) => ({ ...data, command: secrets.mask(data.command) }),
  execsRepeated: (data, secrets) => ({
    ...data,
    repetitions: data.repetitions.map((each) => ({ ...each, command: secrets.mask(each.command) })),
  }),
  operated: (data, secrets) => ({ ...data, what: secrets.mask(data.what) }),
  egressChanged: (data, secrets) => ({ ...data, reason: secrets.mask(data.reason) }),
  stopCommandEnded: (data, secrets) => ({
    ...data,
    error: data.error === null ? null : secrets.mask(data.error),
  }),
  forceKilled: ({ waits, ...data }, secrets) => {
    if (waits === undefined) return data;
    const nameOf = (name: string | null) => (secrets.isComplete && name !== null ? secrets.mask(name) : null);
    const threads = waits.threads.map((each) => ({ ...each, program: nameOf(each.program) }));
    return { ...data, waits: { ...waits, threads } };
  },
  exited: (data, secrets) => {
    const { cause, changes: changed, blackBox, kept, ...others } = data;
    return {
      ...others,
      cause: cause && {
        ...cause,
        ...secrets.maskAll({
          text: cause.text,
          line: cause.line,
          ...(cause.advice && { advice: cause.advice }),
        }),
      },
      ...(changed && { changes: secrets.maskAll(changed) }),
      ...(kept && secrets.isComplete && { kept: secrets.maskAll(kept) }),
      ...(blackBox && secrets.isComplete && { blackBox: secrets.maskAll(blackBox) }),
    };
  },
  observed: (data, secrets) => {
    const { paths, moves, links, ...others } = data;
    if (secrets.isComplete)
      return { ...others, ...secrets.maskAll({ paths, links, ...(moves && { moves }) }) };
    // Nobody may take what is left out for what was not used.
    return { ...others, paths: [], links: [], lost: data.lost + paths.length };
  },
  wouldDeny: (data, secrets) => {
    const { refused, unclear, ...others } = data;
    if (secrets.isComplete) return { ...others, ...secrets.maskAll({ refused, unclear }) };
    return {
      ...others,
      refused: [],
      unclear: unclear.map(() => MASK),
      others: others.others + refused.length,
    };
  },
  lost: (data, secrets) => ({ reason: secrets.mask(data.reason) }),
};

type Options = EventData<"requested">["options"];

/** Options that the driver reads in the history of a running task, as they stand. */
export const readOptions: ReadonlySet<string> = new Set([
  ...["seccomp", "seccomp_allow", "seccomp_deny", "root_dir", "idmapped_volumes", "pressure"],
  ...["cgroup_delegate", "egress", "extra_hosts"],
]);

function maskedOptions(options: Options, secrets: Secrets): Options {
  const masked = secrets.maskAll(options);
  if (masked === options) return options;
  const read = Object.entries(options).filter(([name]) => readOptions.has(name));
  const { stop_command: stopCommand } = options;
  return {
    ...masked,
    ...Object.fromEntries(read),
    // The driver reads this one, too, and puts the values back.
    ...(Array.isArray(stopCommand) && {
      stop_command: stopCommand.map((word) => (typeof word === "string" ? secrets.reference(word) : word)),
    }),
  };
}

/** The data of an event without the task's secrets. */
export function maskedEvent<T extends EventType>(
  type: T,
  data: EventData<T>,
  secrets: Secrets,
): EventData<T> {
  const change: Change<T> | undefined = changes[type];
  return change === undefined ? data : change(data, secrets);
}

/** An address with its port, which no environment has to itself. */
function isAddress(object: string | null): boolean {
  return object !== null && /^[\d.:[\]a-f]+$/.test(object);
}
