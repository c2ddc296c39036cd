/** Metrics of the process itself. */
import { version } from "../../base/version.ts";
import { counter, type Family, gauge, Histogram } from "./exposition.ts";

const delayBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5];
const intervalMs = 1_000;

export class ProcessFigures {
  readonly #role: string;
  readonly #delays = new Histogram(delayBuckets);
  #timer: NodeJS.Timeout;

  /**
   * Begins to measure the delay of the event loop, with one timer each second.
   * @param role `plugin` or `inspector`
   */
  constructor(role: string) {
    this.#role = role;
    this.#timer = this.#measure();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  families(): Family[] {
    const { user, system } = process.cpuUsage();
    return [
      gauge("exec2_build_info", "The driver's version in a label; the value is always 1.", [
        { labels: { version, role: this.#role }, value: 1 },
      ]),
      counter("process_cpu_seconds_total", "CPU time that this process has used.", (user + system) / 1e6),
      gauge("process_resident_memory_bytes", "Resident memory of this process.", process.memoryUsage.rss()),
      gauge(
        "process_start_time_seconds",
        "When this process began, in seconds since the epoch.",
        performance.timeOrigin / 1000,
      ),
      this.#delays.family(
        "exec2_event_loop_delay_seconds",
        "The delay of a timer of this process, measured once a second.",
      ),
    ];
  }

  #measure(): NodeJS.Timeout {
    const begun = performance.now();
    return setTimeout(() => {
      this.#delays.observe(Math.max(0, performance.now() - begun - intervalMs) / 1000);
      this.#timer = this.#measure();
    }, intervalMs).unref();
  }
}
