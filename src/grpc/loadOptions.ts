/** Loads the options' schemas once: a dynamic import costs some 50 µs even where the module is there already. */
export function loadOptions(): Promise<typeof import("./options.ts")> {
  loading ??= import("./options.ts");
  return loading;
}

let loading: Promise<typeof import("./options.ts")> | undefined;
