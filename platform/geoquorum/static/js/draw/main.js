/* The page on which areas are drawn: by keys, by mouse or by finger. */

import { DrawingPage } from "./page.js";

new DrawingPage(JSON.parse(document.getElementById("draw-config").textContent)).start();
