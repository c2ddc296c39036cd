/** The text of a task's own resolv.conf(5). Pure. */
import type { TaskDns } from "../../config/task/taskRequest.ts";
import { DriverError } from "../../errors.ts";

/** @throws DriverError `CONFIG_INVALID` for an entry that is not a single word */
export function resolvConf({ servers, searches, options }: TaskDns): string {
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
