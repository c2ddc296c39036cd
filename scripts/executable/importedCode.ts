/** Code of functions that the executable has itself instead of importing them. Pure. */
import type { Architecture } from "../../src/systemCalls.ts";

/** Their offsets in the code. */
export const importedFunctions = { setrlimit64: 0, __atomic_compare_exchange: 16, getrlimit64: 128 };

/** The code in base64, assembled from x64.s and arm64.s by `as`. */
export const importedCode: Readonly<Record<Architecture, string>> = {
  x64: "uP/////DZi4PH4QAAAAAAEiD/wh1GUiLAkiLCfBID7EOdQa4AQAAAMNIiQIxwMMPC2ZmLg8fhAAAAAAAZmYuDx+EAAAAAABmZi4PH4QAAAAAAGZmLg8fhAAAAAAAZmYuDx+EAAAAAABmZi4PH4QAAAAAAGZmLg8fhAAAAAAAZpBJifCJ/jH/MdJNicK4LgEAAA8FhcB1ZIP+B3UySYM4QHMsukAAAABJi0AISDnQSA9CwlBSSIniRTHSuC4BAAAPBVpZhcB1CkmJEEmJSAgxwMNJgzgYc/e4AQAAAL8CAAAASI01GQAAALpNAAAADwW45wAAAL99AAAADwW4/////8NlcnJvcjogdG9vIG1hbnkgb3BlbiBmaWxlcwpoaW50OiBSYWlzZSB0aGUgbGltaXQgb2Ygb3BlbiBmaWxlczogdWxpbWl0IC1uIDY0Cg==",
  arm64:
    "AACAEsADX9YfIAPVHyAD1R8gAPHBAQBURgBA+WcAQPko/F/IHwEG66EAAFQn/AnIif//NSAAgFLAA1/WXz8D1UgAAPkAAIBSwANf1gAAAAAfIAPVHyAD1R8gA9UfIAPVHyAD1R8gA9UfIAPVHyAD1R8gA9UfIAPVHyAD1R8gA9XkAwGq5QMAKgAAgNLhAwUqAgCA0uMDBKqoIIDSAQAA1MADALW/HABxAQIAVIYcQKnfAAHxogEAVAkIgNL/AAnr5yCJmukfv6kAAIDS4QMFKuIDAJEDAIDSAQAA1OkfwaiAAAC1iRwAqQAAgFLAA1/W32AA8aL//1QICIDSQACA0gEBABCiCYDSAQAA1MgLgNKgD4DSAQAA1AAAgBLAA1/WZXJyb3I6IHRvbyBtYW55IG9wZW4gZmlsZXMKaGludDogUmFpc2UgdGhlIGxpbWl0IG9mIG9wZW4gZmlsZXM6IHVsaW1pdCAtbiA2NAo=",
};
