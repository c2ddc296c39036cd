/** The only maker of the event `exited`, whoever notices the end: the plugin that watched the run, or a later one. */
import type { Secrets } from "../../base/masking.ts";
import { hasFailed } from "../../history/cause/cause.ts";
import { diagnose, type ReadNotes } from "../../history/cause/diagnose.ts";
import type { RefusalBeforeEnd } from "../../history/cause/evidence.ts";
import type { Exit } from "../../machines/events/ending.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskSnapshot } from "../../machines/taskMachine.ts";
import { DenialTally } from "../denials/denialTally.ts";
import { secretsOfEnded } from "../history/taskSecrets.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";
import { retrying } from "../retry.ts";
import type { RunGround } from "../runPart.ts";
import type { DriverServices } from "../services.ts";
import { keptOutput } from "./keptOutput.ts";
import { cleanUpRun, exitOf } from "./runEnd.ts";
import { endOutput } from "./runOutput.ts";
import { each, type RunParts } from "./runParts.ts";
import { watchProgramOf } from "./runProgram.ts";

/** After this many attempts, one a second, a task's end is recorded without what cannot be read. */
const maxAttempts = 30;
const isMaxAttempts = (attempts: number) => attempts >= maxAttempts;

/** What an end is made with. */
export type EndingServices = Pick<DriverServices, "folder" | "disk" | "goodRuns"> & {
  readonly options: Pick<PluginOptions, "keepOutput">;
};

/** What whoever noticed the end knows of it. */
interface Seen {
  readonly exit: Exit;
  readonly output: EventData<"exited">["output"];
  readonly secrets: Secrets;
  /** The sandbox's last refusal, if the end can be its consequence. */
  readonly refused: RefusalBeforeEnd | undefined;
  /** The watch of the run's program, by whoever has watched the run. */
  readonly program?: ReturnType<typeof watchProgramOf>;
  /** Reads the black box's notes; only the plugin that began the run has them. */
  readonly readNotes?: ReadNotes;
}

/** The end of a run, with what the host still shows of it. Only the program's file may make it reject. */
async function endingOf(
  { context }: TaskSnapshot,
  { exit, output, secrets, refused, readNotes, program: watched }: Seen,
  { folder, disk, goodRuns, options }: EndingServices,
): Promise<EventData<"exited">> {
  const { request, sandbox } = context;
  const limit = request !== null && sandbox?.disk;
  const own = limit ? (await disk.usage(request.allocDir, limit).catch(() => undefined))?.own : undefined;
  const program = await (watched ?? watchProgramOf(context, folder.path))?.end();
  const end = {
    ...exit,
    ...(own && { disk: { bytes: own.bytes, files: own.files } }),
    ...(program && { program }),
  };
  const found = await diagnose(context, end, secrets, refused, readNotes);
  const keeps = options.keepOutput === "failed" && hasFailed(end, context);
  const kept = keeps ? await keptOutput(context, end, secrets, output) : undefined;
  return await goodRuns.withChanges(context, { ...end, ...found, output, ...(kept && { kept }) });
}

/**
 * Records the end of a run that this process has watched, and what belongs before it.
 * @param killed whether this process has killed the run, which no event says yet
 */
export async function recordEnding(
  { task, services, secrets }: RunGround<DriverServices>,
  parts: RunParts,
  killed: () => boolean,
): Promise<void> {
  const { memory, recorder, denials, output, program } = parts;
  for (const part of each(parts)) part.ended?.();
  const retry = retrying(() => services().log, task.id, "the end of a task cannot be read yet");
  for (const part of each(parts))
    if (part.settle !== undefined) await retry(() => part.settle?.(), isMaxAttempts);
  const unrecorded = { killed: killed(), oomSeen: memory.seen };
  const exit =
    (await retry(() => exitOf(task.snapshot, unrecorded), isMaxAttempts)) ??
    exitOf(task.snapshot, { ...unrecorded, unreadable: true });
  await retry(() => denials.end(exit), isMaxAttempts);
  const seen = {
    exit,
    output: (await retry(() => output.end(), isMaxAttempts)) ?? null,
    secrets: secrets(),
    refused: denials.lastBefore(exit.endedAt),
    program: program.watch,
    readNotes: () => recorder.read(),
  };
  await task.record("exited", await endingOf(task.snapshot, seen, services()));
}

/**
 * The end of a run that ended while nobody watched it. Removes what the run left.
 * @param killed whether this process has killed the run, which no event says yet
 */
export async function unseenEndingOf(
  snapshot: TaskSnapshot,
  services: EndingServices,
  killed = false,
): Promise<EventData<"exited">> {
  await cleanUpRun(snapshot);
  const exit = exitOf(snapshot, { killed });
  const { output } = await endOutput(snapshot.context);
  const refused = new DenialTally(snapshot.context.denials).lastBefore(exit.endedAt);
  const secrets = secretsOfEnded(snapshot.context);
  return await endingOf(snapshot, { exit, output, secrets, refused }, services);
}
