/** Job files of the cases, in HCL. Pure. */

export interface ShellJob {
  readonly type?: "batch" | "service";
  /** Restarts after a failed end, one at once after another. */
  readonly restarts?: number;
  readonly count?: number;
  /** Further lines of the task's `config` block, of the task and of the group. */
  readonly config?: string;
  readonly task?: string;
  readonly group?: string;
}

/**
 * A job with one task, `t`, that runs a script in a shell. A failed allocation is not placed again.
 * @param id of the job
 */
export function shellJob(
  id: string,
  script: string,
  { type = "batch", restarts = 0, count = 1, config = "", task = "", group = "" }: ShellJob = {},
): string {
  return `job ${quoted(id)} {
  type = "${type}"
  group "g" {
    count = ${count}
    restart {
      attempts = ${restarts}
      interval = "10m"
      delay    = "0s"
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    ${group}
    task "t" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", ${quoted(script)}]
        ${config}
      }
      ${task}
      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
`;
}

/** A text in HCL, in which nothing is interpolated. */
export function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/[$%](?=\{)/g, (sign) => sign + sign);
}
