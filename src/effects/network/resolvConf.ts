/** The text of a resolv.conf(5) of a task's own. Pure. */
import type { TaskDns } from "../../config/task/taskRequest.ts";
import { DriverError } from "../../errors.ts";

/** @throws DriverError `CONFIG_INVALID` for a word that would not stay one in the file */
export function resolvConf({ servers, searches, options }: TaskDns): string {
  for (const word of [...servers, ...searches, ...options]) checkWord(word);
  const lines = servers.map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.push(`search ${searches.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return lines.map((line) => `${line}\n`).join("");
}

function checkWord(word: string): void {
  if (/^[^\s\0]+$/.test(word)) return;
  throw new DriverError("CONFIG_INVALID", `${JSON.stringify(word)} cannot stand in a resolv.conf`, {
    hint: "Correct the group's network.dns block: servers, searches and options are single words",
  });
}
