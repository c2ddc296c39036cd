/** Debian's Chromium without a screen, as tests and benchmarks use it. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const executablePath = "/usr/bin/chromium-headless-shell";

export const missingBrowser = `${executablePath} is missing: apt-get install chromium-headless-shell`;

/** @returns undefined if this host has no Chromium without a screen */
export async function launchBrowser(): Promise<Browser | undefined> {
  if (!existsSync(executablePath)) return undefined;
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}
