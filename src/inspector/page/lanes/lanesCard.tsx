/** The lanes of an allocation, with an overview of the whole time, zoom, and navigation between errors. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { shortId } from "../../../base/taskId.ts";
import { countOf } from "../../../units/counts.ts";
import { formatZonedTime } from "../../../units/times.ts";
import type { AllocationView } from "../../views/allocationView.ts";
import { linkWithin } from "../bundle/source.ts";
import { Tool } from "../buttons.tsx";
import { useKeys } from "../hooks.ts";
import { choose, chosenNow, useAddress, useChoice } from "../navigation.ts";
import { SaveDrawing } from "../saveDrawing.tsx";
import { LaneDrawing } from "./laneDrawing.tsx";
import { type ErrorPlace, errorsOf, keyOf, nextError } from "./laneErrors.ts";
import { Overview } from "./overview.tsx";
import { moved, type Span, shareOf, timeAt, within, zoomed } from "./timeAxis.ts";

interface Properties {
  readonly view: AllocationView;
  readonly now: number;
  /** The run that the page shows beside the lanes, and the time of the shown event. */
  readonly shown?: { readonly id: string; readonly time: number } | undefined;
  /** Shows an event of that run. */
  readonly chooseEvent?: (seq: number) => void;
}

export function LanesCard({ view, now, shown, chooseEvent }: Properties) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const whole = wholeOf(view, now);
  const [chosenWindow, show] = useWindow(whole);
  const window = chosenWindow ?? whole;
  const isWhole = chosenWindow === undefined;
  const { errors, error, goToError } = useErrors(view, shown?.time, (next) => {
    if (!isWhole && !isWithin(window, next.time)) {
      show(moved(whole, window, shareOf(window, next.time) - 0.5));
    }
    if (next.id === shown?.id) chooseEvent?.(next.seq);
  });
  /** The time around which to zoom, so that the selected error or the shown moment stays in sight. */
  const focus = [error?.time, shown?.time].find((time) => time !== undefined && isWithin(window, time));
  const zoom = (factor: number, around = focus) => show(zoomed(whole, window, factor, around));
  useKeys({
    e: () => goToError(1),
    E: () => goToError(-1),
    "+": () => zoom(0.5),
    "-": () => zoom(2),
    0: () => show(undefined),
  });
  useWheel(place, (event) => {
    const { left } = (place.current as HTMLDivElement).getBoundingClientRect();
    if (event.ctrlKey) return zoom(2 ** (event.deltaY / 200), timeAt(window, (event.clientX - left) / width));
    show(moved(whole, window, (event.shiftKey ? event.deltaY : event.deltaX) / width));
  });
  return (
    <div class="lane-card">
      <div class="tools">
        <ZoomTools {...{ isWhole, zoom, show }} />
        <ErrorTools {...{ errors, goToError }} />
        <SaveDrawing
          what="the lanes"
          name={`lanes-${shortId(view.allocation)}`}
          drawing={() => place.current?.querySelector<SVGSVGElement>("svg.lanes")}
        />
        <ErrorLine errors={errors} error={error} />
      </div>
      <div ref={place} class="lane-place">
        {width === 0 ? null : (
          <>
            <Overview {...{ view, whole, window, width, now, show }} />
            <LaneDrawing
              {...{ view, window, width, now, shown }}
              pointed={error?.time}
              open={(span) => show(within(whole, span))}
            />
          </>
        )}
      </div>
      <p class="hint">
        <kbd>+</kbd> <kbd>-</kbd> zoom, <kbd>0</kbd> all, <kbd>e</kbd> <kbd>E</kbd> next and previous error
      </p>
    </div>
  );
}

interface ZoomProperties {
  readonly isWhole: boolean;
  readonly zoom: (factor: number) => void;
  /** Shows the whole time. */
  readonly show: (window: undefined) => void;
}

function ZoomTools({ isWhole, zoom, show }: ZoomProperties) {
  return (
    <fieldset>
      <legend>Time</legend>
      <Tool title="Zoom in (+)" label="Zoom in" act={() => zoom(0.5)}>
        +
      </Tool>
      <Tool title="Zoom out (-)" label="Zoom out" isOff={isWhole} act={() => zoom(2)}>
        −
      </Tool>
      <Tool title="The whole time (0)" isOff={isWhole} act={() => show(undefined)}>
        All
      </Tool>
    </fieldset>
  );
}

function ErrorTools({ errors, goToError }: Pick<ErrorChoice, "errors" | "goToError">) {
  const isOff = errors.length === 0;
  return (
    <fieldset>
      <legend>{countOf(errors.length, "error")}</legend>
      <Tool title="Previous error (E)" isOff={isOff} act={() => goToError(-1)}>
        Previous
      </Tool>
      <Tool title="Next error (e)" isOff={isOff} act={() => goToError(1)}>
        Next
      </Tool>
    </fieldset>
  );
}

interface ErrorChoice {
  readonly errors: readonly ErrorPlace[];
  /** The selected error, which is part of the address. */
  readonly error: ErrorPlace | undefined;
  readonly goToError: (step: 1 | -1) => void;
}

/**
 * @param from time from which to search if no error is selected; if undefined, the search begins before the
 *   first error or after the last one
 * @param onSelect called after an error was selected
 */
function useErrors(
  view: AllocationView,
  from: number | undefined,
  onSelect: (error: ErrorPlace) => void,
): ErrorChoice {
  const errors = useMemo(() => errorsOf(view), [view]);
  const errorBy = (key: string) => errors.find((each) => keyOf(each) === key);
  const error = errorBy(useChoice("error")[0]);
  const goToError = (step: 1 | -1) => {
    const end = step === 1 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    // The search wraps around at both ends.
    const next =
      nextError(errors, errorBy(chosenNow("error")) ?? from ?? end, step) ?? nextError(errors, end, step);
    if (next === undefined) return;
    choose({ error: keyOf(next) });
    onSelect(next);
  };
  return { errors, error, goToError };
}

/** Describes the selected error; empty if none is selected. */
function ErrorLine({ errors, error }: Pick<ErrorChoice, "errors" | "error">) {
  return (
    <p role="status" class="error-line">
      {error === undefined ? null : (
        <>
          <span class="faint">
            {errors.indexOf(error) + 1} of {errors.length}
          </span>{" "}
          <a href={linkWithin(["task", error.id], { event: String(error.seq) })}>{error.task}</a> {error.text}{" "}
          <span class="faint">{formatZonedTime(error.time)}</span>
        </>
      )}
    </p>
  );
}

/** The span of all runs, with a margin at both ends. */
function wholeOf({ tasks }: AllocationView, now: number): Span {
  const runs = tasks.flatMap((task) => task.runs);
  const from = Math.min(...runs.map(({ begunAt }) => begunAt));
  const to = Math.max(from, ...runs.map(({ overAt }) => overAt ?? now));
  const margin = Math.max(20, (to - from) / 50);
  return { from: from - margin, to: to + margin };
}

function isWithin({ from, to }: Span, time: number): boolean {
  return time >= from && time <= to;
}

/** The window, which is part of the address. Undefined for the whole time, which grows while tasks run. */
function useWindow(whole: Span): readonly [Span | undefined, (window: Span | undefined) => void] {
  const { choices } = useAddress();
  const [from, to] = [Number(choices.from), Number(choices.to)];
  const chosen =
    Number.isFinite(from) && Number.isFinite(to) && from < to ? within(whole, { from, to }) : undefined;
  const show = (window: Span | undefined) => {
    const isWhole = window === undefined || window.to - window.from > 0.99 * (whole.to - whole.from);
    choose(isWhole ? { from: "", to: "" } : { from: window.from.toFixed(), to: window.to.toFixed() });
  };
  return [chosen, show];
}

function useWidth(place: { readonly current: HTMLDivElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setWidth(Math.floor(place.current?.clientWidth ?? 0));
    measure();
    const observer = new ResizeObserver(measure);
    if (place.current !== null) observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

/**
 * With Ctrl, the wheel zooms. With Shift, or if it turns sideways, it moves the window. Otherwise it scrolls
 * the page.
 */
function useWheel(
  place: { readonly current: HTMLDivElement | null },
  act: (event: WheelEvent) => void,
): void {
  const latest = useRef(act);
  latest.current = act;
  useLayoutEffect(() => {
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      latest.current(event);
    };
    const element = place.current;
    element?.addEventListener("wheel", onWheel, { passive: false });
    return () => element?.removeEventListener("wheel", onWheel);
  }, []);
}
