/** Makes a task's own versions of files in /etc, which are bind-mounted over the host's files. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import type { PluginValues, TaskValues } from "../options/fields.ts";
import type { TaskDns } from "./etcFiles.ts";
import {
  groupFile,
  type HostNames,
  hasOwnHosts,
  hostsFile,
  passwdFile,
  type TaskIdentity,
} from "./etcFiles.ts";
import type { namesOptions } from "./options.ts";

export interface EtcFile {
  /** The file's path in the task. */
  readonly path: string;
  /** Its path in the run's folder. */
  readonly source: string;
  /** @throws DriverError `CONFIG_INVALID` for a dns block with an entry that is not a single word */
  readonly text: () => string;
}

/** What the agent and the job say about names. */
export interface NamesRequest extends HostNames {
  readonly dns: TaskDns | undefined;
  readonly options: TaskValues<typeof namesOptions>;
}

/** Paths in the run's folder. */
export type EtcPlaces = Readonly<Record<"resolvConf" | "hosts" | "passwd" | "group", string>>;

/**
 * A task's own versions of files in /etc. Most tasks have none.
 * @param plugin the plugin's options, whose `identityFiles` applies if the task's options set none
 */
export function taskEtcFiles(
  request: NamesRequest,
  identity: TaskIdentity,
  files: EtcPlaces,
  plugin: PluginValues<typeof namesOptions>,
): EtcFile[] {
  const { dns } = request;
  const hostFile = () => readFileSync("/etc/hosts", "utf8");
  return [
    ...(dns === undefined
      ? []
      : [{ path: "/etc/resolv.conf", source: files.resolvConf, text: () => resolvConf(dns) }]),
    ...(hasOwnHosts(request)
      ? [{ path: "/etc/hosts", source: files.hosts, text: () => hostsFile(request, hostFile) }]
      : []),
    ...((request.options.identityFiles ?? plugin.identityFiles)
      ? [
          { path: "/etc/passwd", source: files.passwd, text: () => passwdFile(identity) },
          { path: "/etc/group", source: files.group, text: () => groupFile(identity) },
        ]
      : []),
  ];
}

/** Writes the files to the run's folder. They are readable by everybody, whatever the agent's umask. */
export function writeEtcFiles(files: readonly EtcFile[]): void {
  for (const { source, text } of files) {
    writeFileSync(source, text());
    chmodSync(source, 0o644);
  }
}

/**
 * The text of resolv.conf(5).
 * @throws DriverError `CONFIG_INVALID` for an entry that is not a single word
 */
function resolvConf({ servers, searches, options }: TaskDns): string {
  for (const word of [...servers, ...searches, ...options]) checkWord(word);
  const lines = servers.map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.push(`search ${searches.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return lines.map((line) => `${line}\n`).join("");
}

function checkWord(word: string): void {
  if (/^[^\s\0]+$/.test(word)) return;
  throw new DriverError("CONFIG_INVALID", `${JSON.stringify(word)} is not valid in a resolv.conf`, {
    hint: "Correct the group's network.dns block: servers, searches and options are single words",
  });
}
