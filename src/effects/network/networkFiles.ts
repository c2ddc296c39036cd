/** A task's own versions of files in /etc, because its network differs from the host's. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { hasOwnHosts, hostsFile } from "../../config/task/hostsFile.ts";
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import type { RunFiles } from "../files/runFiles.ts";
import { resolvConf } from "./resolvConf.ts";

/**
 * Writes the files that the task needs to its run's folder. Most tasks need none.
 * @throws DriverError `CONFIG_INVALID` for a dns block with an entry that is not a single word
 */
export function writeNetworkFiles(request: TaskRequest, files: RunFiles): void {
  if (request.dns !== undefined) writeForTask(files.resolvConf, resolvConf(request.dns));
  if (hasOwnHosts(request)) {
    writeForTask(
      files.hosts,
      hostsFile(request, () => readFileSync("/etc/hosts", "utf8")),
    );
  }
}

/** Readable by everybody, whatever the agent's umask. */
function writeForTask(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}
