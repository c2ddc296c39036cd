/** Code of the functions that the executable does not import. Pure. */
import type { Architecture } from "../../src/systemCalls.ts";

/** Where they are in the code. */
export const importedFunctions = { setrlimit64: 0, __atomic_compare_exchange: 16 };

/** In base64, assembled from x64.s and arm64.s by `as`. */
export const importedCode: Readonly<Record<Architecture, string>> = {
  x64: "uP/////DZi4PH4QAAAAAAEiD/wh1GUiLAkiLCfBID7EOdQa4AQAAAMNIiQIxwMMPCw==",
  arm64:
    "AACAEsADX9YfIAPVHyAD1R8gAPHBAQBURgBA+WcAQPko/F/IHwEG66EAAFQn/AnIif//NSAAgFLAA1/WXz8D1UgAAPkAAIBSwANf1gAAAAA=",
};
