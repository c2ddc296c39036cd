/** Where the file of a run's program is, from the run's history. */
import { posix } from "node:path";
import { foldersIn } from "../../effects/layout/layout.ts";
import { isAtOrBelow } from "../../effects/paths/paths.ts";
import { type ProgramPlace, type ProgramWatch, watchProgram } from "../../effects/run/programFile.ts";
import { isTaskFolder } from "../../effects/unveil/unveil.ts";
import { rootDirOf } from "../../history/cause/roots.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { DriverServices } from "../services.ts";

type Ground = Pick<RunGround<Pick<DriverServices, "folder">>, "task" | "services" | "watching">;

export class RunProgram implements RunPart {
  readonly #ground: Ground;
  #watch: ProgramWatch | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  begin(): void {
    const { task, services, watching } = this.#ground;
    this.#watch = watchProgramOf(task.snapshot.context, services().folder.path);
    watching.add(() => this.#watch?.cancel());
  }

  /** Undefined for a run that the driver has not started. */
  get watch(): ProgramWatch | undefined {
    return this.#watch;
  }
}

/**
 * Watches the program of a started run; undefined for a run that the driver has not started, and for a program in a
 * `mount` of the job's: the host may have another file at that path.
 * @param stateFolder as for {@link watchProgram}
 */
export function watchProgramOf(
  { request, sandbox, startedAt }: TaskContext,
  stateFolder: string,
): ProgramWatch | undefined {
  if (request === null || sandbox === null || startedAt === null) return undefined;
  const { command, unveiled } = sandbox;
  if (unveiled.some(({ source, path }) => source === "mount" && isAtOrBelow(command, path))) return undefined;
  return watchProgram(() => placeIn(request, sandbox), startedAt, stateFolder);
}

function placeIn(request: Present<"request">, sandbox: Present<"sandbox">): ProgramPlace {
  const { uid, gid, groups, command, privateTmp, unveiled } = sandbox;
  const folders = foldersIn(request.allocDir, request.taskName);
  const own = unveiled.filter(isTaskFolder).map(({ path }) => path);
  // The task sees its folders where the agent has mounted them.
  const taskDir = own.find((path) => path.endsWith("/local")) ?? folders.taskDir;
  const places = [
    ...own.map((path) => ({ target: path, source: path })),
    ...(privateTmp ? [{ target: "/tmp", source: folders.tmpDir }] : []),
    ...request.mounts.map(({ source, target }) => ({ target: posix.resolve(taskDir, "..", target), source })),
  ];
  const name = rootDirOf({ request });
  return {
    path: command,
    folders: places.toSorted((one, other) => (one.target < other.target ? -1 : 1)),
    rootDir: name === undefined ? undefined : { name, folders },
    user: { uid, gid, groups, capabilities: undefined },
  };
}

type Present<Name extends keyof TaskContext> = NonNullable<TaskContext[Name]>;
