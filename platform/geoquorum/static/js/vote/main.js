/* Starts the vote page with the stage that its question asks for. */

import { applyLook } from "../look.js";
import { VotePage } from "./page.js";

const page = JSON.parse(document.getElementById("vote-config").textContent);
const { theme } = document.documentElement.dataset;
applyLook({ ...page.preferences, theme: theme === "auto" ? page.preferences.theme : theme }); // the theme of this machine goes first
const { Stage } = await import(`./stages/${page.question.layout}.js`);
new VotePage({ ...page, regions: {}, session: null }, Stage).start();
