/** All decoders of untrusted input, by name. */
import type { Target } from "./target.ts";
import { carriedErrors, environments, handles, messages, options } from "./targets/driver.ts";
import { connections, requests } from "./targets/inspector.ts";
import { expressions, goTemplates, jobFiles, jsonJobs, templates } from "./targets/jobs.ts";
import { kernelTexts } from "./targets/kernel.ts";
import { nameAnswers } from "./targets/nameServers.ts";
import { breakpoints, edits } from "./targets/replay.ts";
import { bundles, pages, records } from "./targets/store.ts";

export const targets = {
  messages,
  options,
  handles,
  carriedErrors,
  environments,
  records,
  bundles,
  pages,
  kernelTexts,
  nameAnswers,
  breakpoints,
  edits,
  templates,
  expressions,
  goTemplates,
  jsonJobs,
  jobFiles,
  requests,
  connections,
} as const satisfies Readonly<Record<string, Target>>;

export type TargetName = keyof typeof targets;
export const targetNames = Object.keys(targets) as TargetName[];
