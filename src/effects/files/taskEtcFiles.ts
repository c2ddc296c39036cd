/** A task's own versions of files in /etc, which are bound over the host's. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { hasOwnHosts, hostsFile } from "../../config/task/hostsFile.ts";
import { groupFile, passwdFile, type TaskIdentity } from "../../config/task/identityFiles.ts";
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import { resolvConf } from "../network/resolvConf.ts";
import type { RunFiles } from "./runFiles.ts";

export interface EtcFile {
  /** In the task. */
  readonly path: string;
  /** In the run's folder. */
  readonly source: string;
}

/**
 * The files that a task has of its own. Most tasks have none.
 * @param identityFiles whether it has its own users and groups
 */
export function taskEtcFiles(
  request: Pick<TaskRequest, "dns" | "network" | "options">,
  files: RunFiles,
  identityFiles: boolean,
): EtcFile[] {
  return [
    ...(request.dns === undefined ? [] : [{ path: "/etc/resolv.conf", source: files.resolvConf }]),
    ...(hasOwnHosts(request) ? [{ path: "/etc/hosts", source: files.hosts }] : []),
    ...(identityFiles
      ? [
          { path: "/etc/passwd", source: files.passwd },
          { path: "/etc/group", source: files.group },
        ]
      : []),
  ];
}

/**
 * Writes these files to the run's folder.
 * @throws DriverError `CONFIG_INVALID` for a dns block with an entry that is not a single word
 */
export function writeEtcFiles(
  request: TaskRequest,
  identity: TaskIdentity,
  files: RunFiles,
  identityFiles: boolean,
): void {
  if (request.dns !== undefined) writeForTask(files.resolvConf, resolvConf(request.dns));
  if (hasOwnHosts(request)) {
    writeForTask(
      files.hosts,
      hostsFile(request, () => readFileSync("/etc/hosts", "utf8")),
    );
  }
  if (!identityFiles) return;
  writeForTask(files.passwd, passwdFile(identity));
  writeForTask(files.group, groupFile(identity));
}

/** Readable by everybody, whatever the agent's umask. */
function writeForTask(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}
