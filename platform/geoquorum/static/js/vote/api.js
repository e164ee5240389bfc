/* Requests of the vote page. An answer is {status, body}; status 0 means that no answer came. */

const LONGEST_MS = 15_000;

function csrfToken() {
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
}

async function post(url, values) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), LONGEST_MS);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken(), Accept: "application/json" },
      body: JSON.stringify(values),
      redirect: "manual",
      keepalive: true,
      signal: abort.signal,
    });
    const isJson = response.headers.get("Content-Type")?.includes("json");
    return { status: response.type === "opaqueredirect" ? 401 : response.status, body: isJson ? await response.json() : {} };
  } catch {
    return { status: 0, body: {} };
  } finally {
    clearTimeout(timer);
  }
}

export { post };

export async function get(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" }, redirect: "manual" });
    return { status: response.status, body: response.ok ? await response.json() : {} };
  } catch {
    return { status: 0, body: {} };
  }
}

/* Refused for good (400, 404, 409, 422), signed out (401, 403), or to be tried again (no answer, 429, 5xx). */
export function judge(status) {
  if (status >= 200 && status < 300) return "stored";
  if ([400, 404, 409, 410, 422].includes(status)) return "refused";
  return "later";
}

export const isSignedOut = (status) => status === 401 || status === 403;
