/** The inspector's page. */
import { render } from "preact";
import { App } from "./app.tsx";
import { showVisibleText } from "./visibleText.ts";

showVisibleText();
const place = document.getElementById("page");
if (place !== null) render(<App />, place);
