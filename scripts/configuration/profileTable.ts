/** Makes a table of the default profile of system calls from its data, for the documentation. Pure. */
import { defaultProfile } from "../../src/config/seccomp/defaultProfile.ts";
import type { RestrictionGroup } from "../../src/config/seccomp/restriction.ts";

/** A table in Markdown. */
export function profileTable(): string {
  const rows = defaultProfile.map((group) => [
    `\`@${group.name}\``,
    refusedOf(group),
    code(group.liftedBy ?? []),
    group.reason,
  ]);
  const header = [["group", "refused", "unless the task has", "because"], Array(4).fill("---")];
  return [...header, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Groups the calls that are refused for the same arguments. */
function refusedOf({ restrictions }: RestrictionGroup): string {
  const alike = Map.groupBy(restrictions, ({ what = "", errno }) =>
    [what && ` with ${what}`, errno === "EPERM" ? "" : ` (${errno})`].join(""),
  );
  return [...alike].map(([how, each]) => code(each.flatMap(({ calls }) => calls)) + how).join("; ");
}

function code(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(", ");
}
