/**
 * The parts of a run. What a run begins, waits for at its end, and gives back goes through this list. What its end
 * has of them, `ending.ts` asks them for by name.
 */
import { RunRecorder } from "../blackBox/runRecorder.ts";
import { RunDenials } from "../denials/runDenials.ts";
import { RunDisk } from "../disk/runDisk.ts";
import { RunEgress } from "../egress/runEgress.ts";
import { RunCommands } from "../exec/commands.ts";
import { RunObserver } from "../observe/runObserver.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { DriverServices } from "../services.ts";
import { RunOutput } from "./runOutput.ts";
import { RunProgram } from "./runProgram.ts";
import { runUsage } from "./runUsage.ts";
import { runStalls } from "./stallWatch.ts";
import { MemoryWatch } from "./watch.ts";

/** In the order in which they begin, settle and are released. */
export function runParts(ground: RunGround<DriverServices>) {
  const denials = new RunDenials(ground);
  const disk = new RunDisk(ground);
  return {
    memory: new MemoryWatch(ground),
    stalls: runStalls(ground),
    usage: runUsage(ground, disk),
    recorder: new RunRecorder(ground),
    observer: new RunObserver(ground),
    denials,
    commands: new RunCommands(ground.task, denials),
    egress: new RunEgress(ground, denials),
    output: new RunOutput(ground),
    program: new RunProgram(ground),
    disk,
  } satisfies Readonly<Record<string, RunPart>>;
}

export type RunParts = ReturnType<typeof runParts>;

export function each(parts: RunParts): readonly RunPart[] {
  return Object.values(parts);
}
