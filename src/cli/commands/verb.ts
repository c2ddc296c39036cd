import type { Command } from "commander";

/**
 * Adds one verb to the command line. Everything beyond its help is loaded when it runs.
 * @param exit receives the verb's exit code
 */
export type AddVerb = (program: Command, exit: (code: number) => void) => void;
