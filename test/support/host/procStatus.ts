/** `/proc/<pid>/status`, proc_pid_status(5), from outside of any sandbox. */
import { readFileSync } from "node:fs";

/** Its fields by their names, such as `NoNewPrivs`; white space between values is one space. */
export function procStatus(pid: number): Readonly<Record<string, string>> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [
        line.slice(0, colon),
        line
          .slice(colon + 1)
          .trim()
          .replaceAll(/\s+/g, " "),
      ];
    }),
  );
}
