import type { Command } from "commander";

/**
 * Adds one verb to the command line. What it needs beyond its own help is loaded when it acts.
 * @param exit takes the exit code of what it did
 */
export type AddVerb = (program: Command, exit: (code: number) => void) => void;
