// SPDX-License-Identifier: Apache-2.0
// What was spent, by day and by DAG; one unit at a time, since credits and dollars do not add up.

import { make } from "./dom.js";
import * as say from "./format.js";

const MOST_DAYS = 31;
const MOST_DAGS = 8;
const A_DAY = 86_400_000;

/**
 * @param {object} costs one unit's totals
 * @param {(filters: object) => void} choose called with the filters that a bar stands for
 */
export function charts(costs, choose) {
  return [byDay(costs, choose), byDag(costs, choose)];
}

function byDay({ by_day, unit }, choose) {
  const days = withGaps(Object.keys(by_day));
  const most = Math.max(...days.map((each) => by_day[each] ?? 0), Number.MIN_VALUE);
  const bars = days.map((each, place) => {
    const amount = by_day[each] ?? 0;
    const label = `${say.day(each)}: ${say.cost({ amount, unit })}`;
    const fill = make("span", { class: "fill" });
    fill.style.height = `${amount ? Math.max(2, (100 * amount) / most) : 0}%`;
    const isNamed = days.length <= 8 || place % Math.ceil(days.length / 6) === 0;
    return make(
      "button",
      { type: "button", class: "day", title: label, "aria-label": label, onclick: () => choose({ since: each, until: each }) },
      make("span", { class: "column" }, fill),
      make("span", { class: "name", "aria-hidden": "true" }, isNamed ? say.day(each) : "\u00a0"),
    );
  });
  return make(
    "section",
    { class: "chart" },
    make("h3", {}, "By day ", make("small", {}, `${days.length === MOST_DAYS ? "last 31 days, " : ""}UTC, at most ${say.cost({ amount: most, unit })}`)),
    make("div", { class: "days" }, ...bars),
  );
}

function byDag({ by_dag, unit }, choose) {
  const all = Object.entries(by_dag);
  const most = Math.max(...all.map(([, amount]) => amount), Number.MIN_VALUE);
  const rest = all.slice(MOST_DAGS).reduce((sum, [, amount]) => sum + amount, 0);
  const bars = all.slice(0, MOST_DAGS).map(([dag_id, amount]) => {
    const fill = make("span", { class: "fill" });
    fill.style.width = `${Math.max(1, (100 * amount) / most)}%`;
    return make(
      "button",
      { type: "button", class: "dag", title: dag_id, onclick: () => choose({ dag_id, run_id: "" }) },
      make("span", { class: "name" }, dag_id),
      make("span", { class: "amount" }, say.cost({ amount, unit })),
      make("span", { class: "row" }, fill),
    );
  });
  const others = rest > 0 && make("p", { class: "others" }, `${all.length - MOST_DAGS} more: ${say.cost({ amount: rest, unit })}`);
  return make("section", { class: "chart" }, make("h3", {}, "By DAG"), make("div", { class: "dags" }, ...bars, others));
}

/** The days from the first to the last, those without a purchase too. */
function withGaps(days) {
  if (!days.length) return [];
  const last = Date.parse(days.at(-1));
  const first = Math.max(Date.parse(days[0]), last - (MOST_DAYS - 1) * A_DAY);
  const all = [];
  for (let day = first; day <= last; day += A_DAY) all.push(new Date(day).toISOString().slice(0, 10));
  return all;
}
