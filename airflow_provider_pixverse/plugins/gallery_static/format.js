// SPDX-License-Identifier: Apache-2.0
// Numbers, moments and names as people read them.

export const GATEWAYS = { aimlapi: "AI/ML API", segmind: "Segmind", pixverse: "PixVerse" };

export const STATES = {
  running: "Running",
  retrying: "Retrying",
  submitted: "Submitted",
  finished: "Finished",
  failed: "Failed",
};

const TASKS = {
  "text-to-video": "Text to video",
  "image-to-video": "Image to video",
  transition: "Transition",
  extend: "Extend",
  "lip-sync": "Lip sync",
};

const CAUSES = {
  PixverseModerationError: "Refused by moderation",
  PixverseGenerationFailed: "The vendor could not make it",
  PixverseTimeout: "Not finished in time",
  PixverseDownloadError: "Could not be saved",
  PixverseNotFoundError: "Unknown to the gateway",
  PixverseResponseError: "Finished without a video",
  PixverseUnavailableError: "The gateway could not be reached",
};

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const DOLLARS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const CENTS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 4 });
const CREDITS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

export const gateway = (name) => GATEWAYS[name] ?? name;
export const taskKind = (name) => TASKS[name] ?? name;
export const moment = (iso) => MOMENT.format(new Date(iso));
export const day = (iso) => DAY.format(new Date(`${iso}T00:00:00Z`));
export const count = (number) => CREDITS.format(number);

/** @param {{amount: number, unit: string}} cost */
export function cost({ amount, unit }) {
  if (unit === "usd") return (amount < 10 ? CENTS : DOLLARS).format(amount);
  return `${CREDITS.format(amount)} ${amount === 1 ? "credit" : "credits"}`;
}

/** An amount where its unit is said beside it. */
export const amount = ({ unit }, number) => (unit === "usd" ? cost({ amount: number, unit }) : CREDITS.format(number));

/** What amounts are counted in; credits are each gateway's own. */
export const currency = (costs) => (costs.unit === "usd" ? "US dollars" : `${gateway(costs.gateway)} credits`);

/** Seconds as “42 s”, “3 min 5 s”, “2 h 10 min”. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return whole % 60 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${whole / 60} min`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function bytes(size) {
  if (size < 1e6) return `${Math.max(1, Math.round(size / 1e3))} kB`;
  return `${(size / 1e6).toFixed(1)} MB`;
}

/** What a generation is called where it has no prompt. */
export function title(generation) {
  if (generation.prompt) return generation.prompt;
  if (!generation.bought) return `Video of generation ${generation.generation_id ?? "unknown"}`;
  return generation.task ? taskKind(generation.task) : "Video";
}

/** The task's name, with its place among mapped ones. */
export function taskName({ task_id, map_index }) {
  return map_index >= 0 ? `${task_id} [${map_index}]` : task_id;
}

/** Why there is no video, in a few words. */
export const cause = (error) => CAUSES[error?.type] ?? error?.type ?? "No video";

/** What it was asked to be, in a few words. */
export function facts(generation) {
  return [
    generation.gateway && gateway(generation.gateway),
    generation.version,
    generation.resolution,
    generation.duration && `${generation.duration} s`,
  ].filter(Boolean);
}
