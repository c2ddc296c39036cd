import type { Command } from "commander";

/**
 * Adds one verb to the command line. Code beyond the verb's help is loaded when the verb runs.
 * @param exit receives the verb's exit code
 */
export type AddVerb = (program: Command, exit: (code: number) => void) => void;
