/** `exposure`: what a task's sandbox leaves open. */

import { type Exposure, exposureOf } from "../../../history/access/exposure.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import type { TaskPlace } from "../../histories/eventLogs.ts";
import { readSandbox } from "../../histories/recordedSandbox.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { type Style, styleFor, widthOf } from "../../terminal/style.ts";

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `SANDBOX_UNKNOWN`, `STORE_FAILED`
 */
export async function showExposure(place: TaskPlace, json: boolean): Promise<number> {
  const { id, run } = await readSandbox(place);
  const exposure = exposureOf(run);
  const { stdout } = process;
  print(
    json
      ? jsonOf("exposure", { task: id, ...exposure })
      : exposureText(exposure, styleFor(stdout), widthOf(stdout)),
  );
  return 0;
}

const indent = "        ";

function exposureText({ open, closed, risk }: Exposure, style: Style, width: number): string {
  const lines = open.flatMap(({ risk: each, what, meaning }) => [
    `${each.padEnd(indent.length)}${style.bold(visible(what))}`,
    ...wrap(`${visible(meaning)}.`, width - indent.length).map((line) => `${indent}${style.dim(line)}`),
  ]);
  const shut = wrap(`Closed: ${visible(closed.join("; "))}.`, width);
  const sum = risk === null ? "Nothing is open." : `Highest risk: ${risk}.`;
  return [...lines, ...(open.length === 0 ? [] : [""]), ...shut, sum].join("\n");
}
