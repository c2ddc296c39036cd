/** Opens what a task writes its output to. */
import { connectJournal } from "./journalSocket.ts";
import { type OwnLogFolder, openOwnLogs } from "./logFiles.ts";
import { makeOwnLogPipe, type OutputRequest, openLogPipe } from "./logPipes.ts";

/** The task's standard output and error, and what the process of the driver's needs that takes them. */
export interface OpenedOutput {
  readonly stdout: number;
  readonly stderr: number;
  /** Undefined if the agent collects the output, or nobody. */
  readonly own?: Partial<Pick<OwnLogFolder, "begin">> & {
    readonly stdoutRead: number;
    readonly stderrRead: number;
    /** The folder of the log files, or the connection to journald. */
    readonly logFolder: number;
  };
}

/**
 * @param user the task's
 * @param keep closes a descriptor later
 * @throws DriverError `LOG_PIPE_UNSAFE`, `LOG_PIPE_NO_READER`, `LOG_MISSING`; or as {@link connectJournal} does
 */
export function openOutput(
  { output, ...request }: OutputRequest,
  user: { readonly uid: number; readonly gid: number },
  keep: (descriptor: number) => number,
): OpenedOutput {
  const openPipe = () => {
    const { read, write } = makeOwnLogPipe(user);
    return { read: keep(read), write: keep(write) };
  };
  if (output.to === "journald") {
    const logFolder = keep(connectJournal(output.stream, request.resources.cgroup));
    // One pipe, so that journald has the lines of both streams in order.
    const { read, write } = openPipe();
    return { stdout: write, stderr: write, own: { stdoutRead: read, stderrRead: read, logFolder } };
  }
  if (output.to === "agent") {
    return {
      stdout: keep(openLogPipe(request.stdoutPath, request.allocDir, user)),
      stderr: keep(openLogPipe(request.stderrPath, request.allocDir, user)),
    };
  }
  const { folder, begin } = openOwnLogs(request, output.bounds.maxFiles);
  keep(folder);
  const [stdout, stderr] = [openPipe(), openPipe()];
  return {
    stdout: stdout.write,
    stderr: stderr.write,
    own: { stdoutRead: stdout.read, stderrRead: stderr.read, logFolder: folder, begin },
  };
}
