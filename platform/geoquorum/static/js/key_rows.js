/* What each key does, from the vote page's own commands and the classes of one's campaigns: [{key, titles}]. */

import { makeCommands } from "./vote/commands.js";

const NOT_CHOSEN = ["Shift", "Escape"];

export async function listRows({ layouts, classes }) {
  const titles = new Map();
  const add = (key, title) => {
    const base = key.replace(/^Shift\+/, "");
    if (!NOT_CHOSEN.includes(base)) titles.set(base, [...(titles.get(base) ?? []), title]);
  };
  for (const [key, { title }] of Object.entries(makeCommands({}))) add(key, title);
  for (const layout of layouts) {
    const { Stage } = await import(`./vote/stages/${layout}.js`);
    for (const [key, title] of Object.entries(Stage.keys())) add(key, title);
  }
  for (const { key, code, name, scheme } of classes) add(key, `${code} ${name} (${scheme})`);
  return [...titles].map(([key, all]) => ({ key, titles: [...new Set(all)] }));
}
