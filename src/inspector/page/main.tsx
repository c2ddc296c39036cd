/** The inspector's page. */
import { App } from "./app.tsx";
import { draw } from "./draw.ts";

draw(<App />);
