/** Limits of huge pages: the option `hugepages` of a task and of the plugin. Pure. */

import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { formatMebibytes } from "../../units/sizes.ts";
import type { OptionProblem } from "../options/optionProblem.ts";

/** MiB by the size of the pages, as the controller's files name it. */
export type HugePages = Readonly<Record<string, number>>;

/** MiB of one page. Sizes of x86-64 and arm64, from 64KB on; a limit of less than a page would be none at all. */
const pageMb: Readonly<Record<string, number>> = {
  "64KB": 1 / 16,
  "2MB": 2,
  "16MB": 16,
  "32MB": 32,
  "512MB": 512,
  "1GB": 1_024,
  "16GB": 16_384,
};

/** The problem with a limit; undefined if it is valid. */
export function hugePagesProblem(size: string, mb: number): OptionProblem | undefined {
  const page = pageMb[size];
  if (page === undefined) {
    const hint = suggestion(size, Object.keys(pageMb));
    return { message: `has ${JSON.stringify(size)}, which is no size of huge pages`, hint };
  }
  const isValid = mb >= 0 && mb <= 1_073_741_824 && Number.isInteger(mb / page);
  if (isValid) return undefined;
  const hint =
    page < 1 ? "Write a number of MiB" : `Write a number of MiB that is a multiple of the page's ${page} MiB`;
  const value = Number.isInteger(mb) ? mb : formatMebibytes(mb);
  return { message: `has ${JSON.stringify(size)} = ${value}`, hint };
}

/** @throws DriverError `CONFIG_INVALID` for a limit above the operator's */
export function checkHugePages(task: HugePages, plugin: HugePages): void {
  for (const [size, mb] of Object.entries(task)) {
    const allowed = plugin[size];
    if (allowed === undefined || mb <= allowed) continue;
    const summary = `The task's config has option "hugepages" with ${formatMebibytes(mb)} of ${size}, but this client allows ${formatMebibytes(allowed)}`;
    throw new DriverError("CONFIG_INVALID", summary, {
      option: "hugepages",
      hint: "Lower it, or raise hugepages in the client's plugin block of this driver",
    });
  }
}
