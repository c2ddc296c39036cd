import type { Command } from "commander";
import { bashCompletion } from "../../reference/bash.ts";
import { fishCompletion } from "../../reference/fish.ts";
import { outlineOf } from "../../reference/outline.ts";
import { zshCompletion } from "../../reference/zsh.ts";

const completions = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** The script that completes a program's arguments in a shell. */
export function completionOf(program: Command, shell: keyof typeof completions): string {
  return completions[shell](outlineOf(program));
}
