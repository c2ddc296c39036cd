/** Hooks that several parts of the page share: page-wide keys, and the current time. */
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

/**
 * Handles keys anywhere in the page, but not while the focus is in an input, or in an element that the keys
 * scroll.
 * @param handle handlers by key name, active until the component unmounts
 */
export function useKeys(handle: Readonly<Record<string, () => void>>): void {
  // A layout effect runs before the page is drawn. With a later effect, a quick second key would act on the
  // old state.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const action = Object.hasOwn(handle, event.key) ? handle[event.key] : undefined;
      const isUsed = event.target instanceof Element && usesKeys(event.target);
      if (action === undefined || isUsed || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}

function usesKeys(target: Element): boolean {
  return (
    target instanceof HTMLInputElement ||
    target instanceof HTMLTextAreaElement ||
    target.scrollWidth > target.clientWidth
  );
}

/**
 * Counts how often the interval has passed while the page was visible.
 * @param intervalMs undefined stops the count
 */
export function useInterval(intervalMs: number | undefined): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    if (intervalMs === undefined) return;
    const timer = setInterval(() => document.hidden || setCount((before) => before + 1), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return count;
}

/** The current time, for ages. Updated at least every second while the page is visible. */
export function useNow(): number {
  useInterval(1_000);
  return Date.now();
}
