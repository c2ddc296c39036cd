/** The page that opens Stately's inspector, apart from the others: only it may keep in touch with a window of another site. */
import { draw } from "../draw.ts";
import { StatelyPage } from "./statelyPage.tsx";

draw(<StatelyPage />);
