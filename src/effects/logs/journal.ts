/** What names a task's stream of output in the journal of systemd-journald. Pure. */
/** A stream of a task's output in the journal. */
export interface JournalStream {
  /** `SYSLOG_IDENTIFIER` of its entries, for `journalctl -t`. */
  readonly identifier: string;
  /** The journal namespace of systemd-journald.service(8); null for the host's journal. */
  readonly namespace: string | null;
}

/** Whether any task may send its output to journald, by the plugin's options. */
export function allowsJournald(plugin: {
  readonly allowJournald: boolean;
  readonly logCollection: string;
}): boolean {
  return plugin.allowJournald || plugin.logCollection === "journald";
}

/** Maximum length in characters. */
const maxIdentifier = 128;

/** `<job>.<task>`. Only characters stay that neither a shell nor syslog takes for something else. */
export function journalIdentifier(jobId: string, taskName: string): string {
  const name = jobId === "" ? taskName : `${jobId}.${taskName}`;
  return name.replace(/[^\p{L}\p{N}_.@+-]/gu, "_").slice(0, maxIdentifier);
}

/** A command that shows the stream, safe to be copied to a shell. */
export function journalCommand({ identifier, namespace }: JournalStream, cgroup: string): string {
  const where = namespace === null ? "" : ` --namespace=${namespace}`;
  const unit = unitOf(cgroup);
  return `journalctl${where} -t ${identifier}${unit === "" ? "" : ` _SYSTEMD_UNIT=${unit}`}`;
}

/**
 * The unit to which journald assigns the processes of a cgroup: `<allocation>.<task>.scope`. Empty if the task's
 * name, which may have any character but a slash, makes a name that no unit has. It would end the header's line,
 * too.
 */
function unitOf(cgroup: string): string {
  const name = cgroup.slice(cgroup.lastIndexOf("/") + 1);
  return /^[A-Za-z0-9:_.@-]+$/.test(name) ? name : "";
}

/** The socket of a journal. */
export function journalSocket(namespace: string | null): string {
  return `/run/systemd/journal${namespace === null ? "" : `.${namespace}`}/stdout`;
}

/**
 * What journald reads first from a connection: identifier, unit, priority `info`, whether `<3>` at a line's begin
 * is its priority (not: journald shows lines of priority 0 on all terminals of the host), and whether to forward to syslog, kmsg and the console. Whatever follows is lines of the task.
 */
export function journalHeader({ identifier }: JournalStream, cgroup: string): string {
  return `${identifier}\n${unitOf(cgroup)}\n6\n0\n0\n0\n0\n`;
}
