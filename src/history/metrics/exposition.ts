/**
 * Prometheus' text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/. Pure.
 */
import { visible } from "../../units/visible.ts";

export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;

/** A metric: samples of one name, with different labels. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** May be a generator, because it is iterated only once. */
  readonly samples: Iterable<Sample>;
}

export interface Sample {
  /** Labels that many samples share. Their text is made once for each object. */
  readonly of?: Labels | undefined;
  readonly labels?: Labels | undefined;
  readonly value: number;
  /** The suffix of a series of a histogram: `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string | undefined;
}

/** The lines of a family, with their newlines. A family without samples has none. */
export function* familyLines({ name, help, type, samples }: Family): Generator<string> {
  // visible() may turn two different texts of jobs into equal ones, and Prometheus refuses a repeated series.
  const known = new Set<string>();
  for (const { of, labels, value, suffix = "" } of samples) {
    const pairs = [of, labels].flatMap((each) => (each === undefined ? [] : labelText(each))).join(",");
    const series = `${name}${suffix}${pairs === "" ? "" : `{${pairs}}`}`;
    if (known.has(series)) continue;
    if (known.size === 0) yield `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    known.add(series);
    yield `${series} ${numberText(value)}\n`;
  }
}

export function gauge(name: string, help: string, samples: Iterable<Sample> | number): Family {
  return { name, help, type: "gauge", samples: samplesOf(samples) };
}

/** @param name ends in `_total` */
export function counter(name: string, help: string, samples: Iterable<Sample> | number): Family {
  return { name, help, type: "counter", samples: samplesOf(samples) };
}

function samplesOf(samples: Iterable<Sample> | number): Iterable<Sample> {
  return typeof samples === "number" ? [{ value: samples }] : samples;
}

/** Counts observations in buckets. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** Observations of each bucket, not cumulative. The last bucket is beyond all bounds. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds upper bounds of the buckets, ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const index = found === -1 ? this.#bounds.length : found;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  family(name: string, help: string): Family {
    let below = 0;
    const buckets = this.#counts.map((count, index): Sample => {
      below += count;
      const le = index === this.#bounds.length ? "+Inf" : String(this.#bounds[index]);
      return { suffix: "_bucket", labels: { le }, value: below };
    });
    const sums = [
      { suffix: "_sum", value: this.#sum },
      { suffix: "_count", value: below },
    ];
    return { name, help, type: "histogram", samples: [...buckets, ...sums] };
  }
}

const labelTexts = new WeakMap<Labels, string>();

function labelText(labels: Labels): string {
  const made =
    labelTexts.get(labels) ??
    Object.entries(labels)
      .map(([name, value]) => `${name}="${escapeLabel(visible(value))}"`)
      .join(",");
  labelTexts.set(labels, made);
  return made;
}

function escapeLabel(text: string): string {
  return text.replaceAll(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}

function escapeHelp(text: string): string {
  return text.replaceAll(/[\\\n]/g, (character) => (character === "\n" ? "\\n" : "\\\\"));
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
