// SPDX-License-Identifier: Apache-2.0
// What the page asks of its server. The browser sends Airflow's cookie along.

/** The session ended: only logging in again helps. */
export class LoggedOut extends Error {}

async function get(path, fields, signal) {
  const query = new URLSearchParams(Object.entries(fields).filter(([, value]) => value));
  const answer = await fetch(`api/${path}?${query}`, { signal, credentials: "same-origin" });
  if (answer.status === 401) throw new LoggedOut();
  if (!answer.ok) throw new Error(`Airflow answered ${answer.status}`);
  return answer.json();
}

export const generations = (filters, { after, limit, signal } = {}) =>
  get("generations", { ...filters, after, limit }, signal);
export const summary = (filters, signal) => get("summary", filters, signal);
export const options = (dag_id) => get("options", { dag_id });
export const videoUrl = ({ id }) => `api/generations/${encodeURIComponent(id)}/video`;
