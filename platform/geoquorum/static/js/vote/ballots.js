/* Ballots as the server takes them. */

/* crypto.randomUUID exists only on HTTPS and localhost. */
export function makeId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/* `said` is what differs between an answer, a skip and a taking back. */
export function makeBallot({ page, sample, shownAt, opened, said }) {
  return {
    assignment: sample.assignment,
    client_uuid: makeId(),
    session: page.session ?? null,
    interface_version: page.interface_version,
    shown_at: shownAt,
    decided_at: new Date().toISOString(),
    views_opened: [...opened].slice(0, 50),
    ...said,
  };
}
