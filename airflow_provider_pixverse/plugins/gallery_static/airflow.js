// SPDX-License-Identifier: Apache-2.0
// Airflow around the page: its colours, and its other pages.

/** Airflow's window where the page is shown in its frame, else null. */
const around = (() => {
  try {
    return window.parent !== window && window.parent.document ? window.parent : null;
  } catch {
    return null;
  }
})();

/** Follow Airflow's colour mode; outside of Airflow the system's stays. */
export function followColours() {
  if (!around) return;
  const root = around.document.documentElement;
  const apply = () => {
    const mode = ["dark", "light"].find((each) => root.classList.contains(each) || root.dataset.theme === each);
    if (mode) document.documentElement.dataset.theme = mode;
  };
  new MutationObserver(apply).observe(root, { attributes: true, attributeFilter: ["class", "data-theme"] });
  apply();
}

/** The page of a task instance in Airflow. */
export function taskUrl({ dag_id, run_id, task_id, map_index }) {
  const mapped = map_index >= 0 ? `/mapped/${map_index}` : "";
  const parts = ["dags", dag_id, "runs", run_id, "tasks", task_id].map(encodeURIComponent);
  return new URL(`../${parts.join("/")}${mapped}`, location.href).href;
}

/**
 * Make a link work in Airflow's frame, which may open no windows and lead nowhere itself: Airflow's own
 * document follows it instead. Elsewhere it is an ordinary link.
 */
export function leadsOut(link) {
  if (!around) return link;
  const follow = (event) => {
    if (event.type === "auxclick" && event.button !== 1) return;
    event.preventDefault();
    const double = around.document.createElement("a");
    double.href = link.href;
    double.rel = "noopener noreferrer";
    const aside = event.type === "auxclick" || event.ctrlKey || event.metaKey || event.shiftKey;
    if (aside || link.target === "_blank") double.target = "_blank";
    double.click();
  };
  link.addEventListener("click", follow);
  link.addEventListener("auxclick", follow);
  return link;
}
