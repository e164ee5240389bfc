/* Sentences of the page, from the template, where they are translated; `{name}` is filled in. */

export function word(name, values = {}) {
  const found = document.querySelector(`[data-word="${name}"]`).textContent;
  return found.replace(/\{(\w+)\}/g, (_whole, key) => String(values[key] ?? ""));
}

/* "vote" or "votes": the template gives one word for one and one for more. */
export function counted(name, n) {
  return word(n === 1 ? `${name}-one` : name, { n });
}
