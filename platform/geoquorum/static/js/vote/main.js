/* Starts the vote page with the stage that its question asks for. */

import { VotePage } from "./page.js";

const page = JSON.parse(document.getElementById("vote-config").textContent);
const { Stage } = await import(`./stages/${page.question.layout}.js`);
new VotePage({ ...page, regions: {}, session: null }, Stage).start();
