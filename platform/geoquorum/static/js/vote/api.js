/* Requests of the vote page. An answer is {status, body}; status 0 means that no answer came. */

const LONGEST_MS = 15_000;
const LONGEST_RETRY_S = 300;

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
    const retryAfterS = Math.min(LONGEST_RETRY_S, Number(response.headers.get("Retry-After")) || 0);
    return { status: response.type === "opaqueredirect" ? 401 : response.status, body: isJson ? await response.json() : {}, retryAfterS };
  } catch {
    return { status: 0, body: {}, retryAfterS: 0 };
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

/* Refused for good (400, 404, 409, 410, 422, and 403 with a reason), or to be tried again (no answer, signed out, 429, 5xx). */
export function judge(status, body = {}) {
  if (status >= 200 && status < 300) return "stored";
  if ([400, 404, 409, 410, 422].includes(status) || (status === 403 && body.error)) return "refused";
  return "later";
}

/* 403 without a reason is the CSRF check's: the sign-in changed in another tab. */
export const isSignedOut = (status, body = {}) => status === 401 || (status === 403 && !body.error);
