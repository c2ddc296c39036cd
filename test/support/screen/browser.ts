/** Debian's Chromium, as tests and benchmarks use it. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const executablePath = "/usr/bin/chromium";

export const missingBrowser = `${executablePath} is missing: apt-get install chromium`;

/** @returns undefined if this host has no Chromium */
export async function launchBrowser(): Promise<Browser | undefined> {
  if (!existsSync(executablePath)) return undefined;
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}
