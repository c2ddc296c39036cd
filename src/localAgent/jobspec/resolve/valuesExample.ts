/** An example of the file that `--values` reads, with what the templates of a job ask for. Pure. */
import { askedValues, exampleValues } from "../goTemplate/askedValues.ts";
import type { Job } from "../job.ts";
import { templateText } from "./interpolate.ts";

/** @returns HCL, with a comment for each kind of value whose name only the running template knows */
export function valuesExample({ groups }: Job): string {
  const templates = groups.flatMap(({ tasks }) => tasks.flatMap((task) => task.templates));
  const asked = templates.flatMap((template) =>
    askedValues(templateText(template), { left: template.leftDelimiter, right: template.rightDelimiter }),
  );
  const computed = new Set(asked.flatMap(({ kind, name }) => (name === undefined ? [kind] : [])));
  const notes = [...computed].map((kind) => `# A template computes the name of a ${kind}: add it here.\n`);
  return [...notes, exampleValues(asked)].join("");
}
