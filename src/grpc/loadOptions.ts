/**
 * Loads the options' schemas. Keeps the promise, because a dynamic import costs some 50 µs even if the module
 * is loaded.
 */
export function loadOptions(): Promise<typeof import("./options.ts")> {
  loading ??= import("./options.ts");
  return loading;
}

let loading: Promise<typeof import("./options.ts")> | undefined;
