// SPDX-License-Identifier: Apache-2.0
// The page: filters, totals and the list, kept up to date while it is looked at.

import { followColours } from "./airflow.js";
import * as api from "./api.js";
import { Card, isUnderWay } from "./card.js";
import { charts } from "./charts.js";
import { fill, make } from "./dom.js";
import * as say from "./format.js";
import { Viewer } from "./viewer.js";

const A_PAGE = 24;
const MOST_REFRESHED = 200;
const SOON = 4_000;
const LATER = 15_000;
const NAMES = ["state", "dag_id", "run_id", "gateway", "since", "until"];

const at = (id) => document.getElementById(id);
const form = at("filters");
const list = at("list");

const cards = new Map();
let filters = {};
let next = null;
let asking = null;
let isLoading = false;
let timer = 0;
let totals = null;
let currency = null;

const viewer = new Viewer(
  at("viewer"),
  (generation, step) => {
    const place = [...cards.keys()].indexOf(generation.id) + step;
    return [...cards.values()][place]?.generation;
  },
  (generation) => cards.get(generation?.id)?.button.focus(),
);

followColours();
start();

async function start() {
  readAddress();
  showStates();
  form.addEventListener("change", () => choose({}));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    choose(Object.fromEntries(NAMES.map((name) => [name, ""])));
  });
  at("more").addEventListener("click", () => loadMore());
  list.addEventListener("keydown", moveFocus);
  new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && loadMore(), { root: document, rootMargin: "800px" }).observe(at("more"));
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  setInterval(() => cards.forEach((card) => card.tick()), 1_000);
  const wide = window.matchMedia("(min-width: 601px)");
  const unfold = () => ["fields", "costs"].forEach((id) => (at(id).open = wide.matches));
  wide.addEventListener("change", unfold);
  unfold();
  await loadOptions();
  await reload();
}

// --- filters ---

function readAddress() {
  const query = new URLSearchParams(location.search);
  filters = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
  if (!(filters.state in say.STATES)) filters.state = "";
}

/** Change filters, and load what they leave. */
async function choose(changes) {
  const before = filters;
  const given = Object.fromEntries(new FormData(form));
  filters = { ...filters, ...given, ...changes };
  if (filters.dag_id !== before.dag_id && !("run_id" in changes && changes.run_id)) filters.run_id = "";
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
  if (filters.dag_id !== before.dag_id) await loadOptions();
  showFilters();
  await reload();
}

async function loadOptions() {
  const known = await attempt(() => api.options(filters.dag_id));
  if (!known) return;
  offer(form.dag_id, "All DAGs", known.dags.map((id) => [id, id]), filters.dag_id);
  offer(form.run_id, filters.dag_id ? "All runs" : "Choose a DAG first", known.runs.map((id) => [id, id]), filters.run_id);
  offer(form.gateway, "All gateways", known.gateways.map((id) => [id, say.gateway(id)]), filters.gateway);
  showFilters();
}

function offer(select, all, choices, chosen) {
  const known = choices.some(([value]) => value === chosen) || !chosen ? choices : [[chosen, chosen], ...choices];
  fill(select, make("option", { value: "" }, all), ...known.map(([value, words]) => make("option", { value }, words)));
}

function showFilters() {
  for (const name of NAMES) if (form[name] && name !== "state") form[name].value = filters[name];
  form.run_id.disabled = !filters.dag_id;
  at("clear").hidden = !NAMES.some((name) => filters[name]);
  showStates();
}

function showStates() {
  const chips = [["", "All"], ...Object.entries(say.STATES)].map(([state, words]) => {
    const number = state && totals && !filters.state ? totals.states[state] : null;
    const chip = make(
      "button",
      { type: "button", class: "chip", "aria-pressed": String(filters.state === state), "data-state": state },
      words,
      number ? make("span", { class: "number" }, say.count(number)) : null,
    );
    chip.addEventListener("click", () => {
      choose({ state });
      at("states").querySelector(`[data-state="${state}"]`)?.focus();
    });
    return chip;
  });
  if (chips.some((chip, place) => !at("states").children[place]?.isEqualNode(chip))) {
    const focused = at("states").contains(document.activeElement) ? document.activeElement.dataset.state : null;
    fill(at("states"), ...chips);
    if (focused !== null) at("states").querySelector(`[data-state="${focused}"]`)?.focus();
  }
}

// --- the list ---

async function reload() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  list.setAttribute("aria-busy", "true");
  const answer = await attempt(() => api.generations(filters, { limit: A_PAGE, signal }));
  if (signal.aborted) return;
  list.removeAttribute("aria-busy");
  if (answer) {
    const kept = new Set(answer.generations.map(({ id }) => id));
    for (const id of [...cards.keys()]) if (!kept.has(id)) drop(id);
    place(answer.generations);
    next = answer.next;
  }
  showEnd();
  await loadTotals();
  plan();
}

async function loadMore() {
  if (!next || isLoading) return;
  isLoading = true;
  const { signal } = asking;
  const answer = await attempt(() => api.generations(filters, { after: next, limit: A_PAGE, signal }));
  isLoading = false;
  if (!answer || signal.aborted) return;
  next = answer.next;
  for (const generation of answer.generations) {
    if (cards.has(generation.id)) cards.get(generation.id).update(generation);
    else list.append(add(generation).element);
  }
  showEnd();
}

/** Look again at what is shown, from the top. */
async function refresh() {
  clearTimeout(timer);
  if (document.hidden || !asking) return;
  const { signal } = asking;
  const limit = Math.min(MOST_REFRESHED, Math.max(A_PAGE, cards.size));
  const answer = await attempt(() => api.generations(filters, { limit, signal }));
  if (signal.aborted) return;
  if (answer) {
    const before = fingerprint();
    const fresh = answer.generations;
    const known = new Set(fresh.map(({ id }) => id));
    const oldest = fresh.at(-1)?.announced_at ?? "";
    for (const [id, card] of [...cards]) {
      const isInReach = !answer.next || card.generation.announced_at > oldest;
      if (isInReach && !known.has(id)) drop(id);
    }
    place(fresh);
    if (!answer.next) next = null;
    if (fingerprint() !== before) {
      showEnd();
      await loadTotals();
    }
  }
  plan();
}

function plan() {
  clearTimeout(timer);
  const isBusy = [...cards.values()].some(({ generation }) => isUnderWay(generation));
  timer = setTimeout(refresh, isBusy ? SOON : LATER);
}

/** Put these first, in this order; what comes after them stays. */
function place(generations) {
  const after = [...cards].filter(([id]) => !generations.some((each) => each.id === id));
  const ordered = generations.map((generation) => {
    const card = cards.get(generation.id) ?? add(generation);
    card.update(generation);
    viewer.update(generation);
    return [generation.id, card];
  });
  cards.clear();
  for (const [id, card] of [...ordered, ...after]) cards.set(id, card);
  let place = list.firstElementChild;
  for (const [, card] of ordered) {
    if (card.element === place) place = place.nextElementSibling;
    else list.insertBefore(card.element, place);
  }
}

function add(generation) {
  const card = new Card(generation, (chosen) => viewer.open(chosen));
  cards.set(generation.id, card);
  return card;
}

function drop(id) {
  cards.get(id)?.remove();
  cards.delete(id);
}

const fingerprint = () => [...cards.values()].map(({ generation }) => generation.id + generation.state).join();

function showEnd() {
  at("more").hidden = !next;
  const isFiltered = NAMES.some((name) => filters[name]);
  at("empty").hidden = cards.size > 0;
  fill(at("empty").querySelector("h2"), isFiltered ? "Nothing matches these filters" : "No videos yet");
  fill(
    at("empty").querySelector("p"),
    isFiltered ? "Clear them to see everything." : "Run a DAG with a PixVerse operator, and its videos appear here.",
  );
}

// --- totals ---

async function loadTotals() {
  const { signal } = asking;
  const answer = await attempt(() => api.summary(filters, signal));
  if (!answer || signal.aborted) return;
  totals = answer;
  const number = `${answer.complete ? "" : "the newest "}${say.count(answer.total)}`;
  fill(at("status"), answer.total === 1 ? "1 generation" : `${number} generations`);
  const under = answer.states.running + answer.states.retrying;
  fill(
    at("tiles"),
    ...answer.costs.map((costs) => tile(say.currency(costs), say.amount(costs, costs.total))),
    tile("Finished", say.count(answer.states.finished)),
    under > 0 && tile("Under way", say.count(under), "running"),
    answer.states.failed > 0 && tile("Failed", say.count(answer.states.failed), "failed"),
  );
  showStates();
  showCharts();
}

function tile(name, value, kind) {
  return make("li", { class: "tile", "data-kind": kind }, make("b", {}, value), make("span", {}, name));
}

function showCharts() {
  at("costs").hidden = !totals.costs.length;
  if (!totals.costs.length) return;
  const shown = totals.costs.find((each) => say.currency(each) === currency) ?? totals.costs[0];
  const units = totals.costs.map((each) =>
    make(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-pressed": String(each === shown),
        onclick: (event) => {
          event.preventDefault();
          currency = say.currency(each);
          showCharts();
          at("costs").querySelector('.units [aria-pressed="true"]').focus();
        },
      },
      say.currency(each),
    ),
  );
  const choice = units.length > 1 && make("div", { class: "units", role: "group", "aria-label": "Currency" }, ...units);
  fill(at("charts"), choice, ...charts(shown, choose));
}

// --- keys and troubles ---

function moveFocus(event) {
  const buttons = [...cards.values()].map((card) => card.button);
  const place = buttons.indexOf(document.activeElement);
  if (place < 0) return;
  const top = buttons[0].getBoundingClientRect().top;
  const columns = Math.max(1, buttons.filter((button) => button.getBoundingClientRect().top === top).length);
  const target = {
    ArrowLeft: place - 1,
    ArrowRight: place + 1,
    ArrowUp: place - columns,
    ArrowDown: place + columns,
    Home: 0,
    End: buttons.length - 1,
  }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  buttons[Math.min(buttons.length - 1, Math.max(0, target))].focus();
}

async function attempt(ask) {
  try {
    const answer = await ask();
    at("notice").hidden = true;
    return answer;
  } catch (error) {
    if (error.name === "AbortError") return null;
    const words = error instanceof api.LoggedOut ? "You are logged out. Load the page again to log in." : `The gallery cannot be updated: ${error.message}. It tries again by itself.`;
    fill(at("notice"), words);
    at("notice").hidden = false;
    return null;
  }
}
