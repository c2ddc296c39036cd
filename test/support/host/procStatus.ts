/** `/proc/<pid>/status`, proc_pid_status(5), from outside of any sandbox. */
import { readFileSync } from "node:fs";

/** The fields by name, such as `NoNewPrivs`. White space between values is replaced by one space. */
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
