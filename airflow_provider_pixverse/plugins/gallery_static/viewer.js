// SPDX-License-Identifier: Apache-2.0
// One generation, large: its video and everything that is known of it.

import { leadsOut, taskUrl } from "./airflow.js";
import { videoUrl } from "./api.js";
import { fill, make } from "./dom.js";
import * as say from "./format.js";
import { poster } from "./posters.js";

export class Viewer {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {(generation: object, step: number) => object|undefined} neighbour the one before or after
   * @param {(generation: object) => void} closed called with the one last shown
   */
  constructor(dialog, neighbour, closed) {
    this.dialog = dialog;
    this.neighbour = neighbour;
    dialog.addEventListener("close", () => {
      const last = this.generation;
      this.generation = null;
      fill(dialog);
      closed(last);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      // In the player, the arrows wind.
      if (step && event.target.tagName !== "VIDEO") this.#step(step);
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  open(generation) {
    this.#show(generation);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Show a newer state of what is open, without touching a player. */
  update(generation) {
    if (!this.generation || this.generation.id !== generation.id) return;
    const changed = ["state", "saved", "video_url"].some((field) => this.generation[field] !== generation[field]);
    if (changed) this.#show(generation);
  }

  #step(step) {
    const next = this.neighbour(this.generation, step);
    if (next) this.#show(next);
  }

  #show(generation) {
    this.generation = generation;
    const close = make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => this.dialog.close() }, "×");
    const steps = [
      [-1, "Newer", "‹"],
      [1, "Older", "›"],
    ].map(([step, label, sign]) =>
      make(
        "button",
        {
          type: "button",
          class: "step",
          "aria-label": label,
          disabled: !this.neighbour(generation, step),
          onclick: () => this.#step(step),
        },
        sign,
      ),
    );
    const pill = make("span", { class: "pill", "data-state": generation.state }, say.STATES[generation.state]);
    fill(
      this.dialog,
      make("div", { class: "bar" }, pill, make("span", { class: "gap" }), ...steps, close),
      make("div", { class: "stage" }, ...stage(generation)),
      make(
        "div",
        { class: "about" },
        make("h2", { id: "viewer-title" }, say.title(generation)),
        ["failed", "retrying"].includes(generation.state) && failure(generation.error),
        make("div", { class: "actions" }, ...actions(generation)),
        details(generation),
      ),
    );
  }
}

function stage(generation) {
  if (generation.saved) return [player(videoUrl(generation), generation, "Airflow cannot read the saved video from here.")];
  if (!generation.video_url) return [make("p", { class: "words" }, WITHOUT_VIDEO[generation.state])];
  // Nothing is asked of another host before the user wants it.
  const button = make("button", { type: "button", class: "primary" }, "Play from the vendor");
  const words = make("p", { class: "words" }, "This video was not saved. The vendor keeps it for a while.");
  button.addEventListener("click", () => {
    button.parentElement.replaceWith(
      player(generation.video_url, generation, "The vendor no longer gives this video, or not to this browser."),
    );
  });
  return [make("div", { class: "offer" }, words, button)];
}

const WITHOUT_VIDEO = {
  running: "The video is being made.",
  retrying: "Airflow will try again.",
  submitted: "The task did not wait for its video. A sensor, or a task that saves it, shows it.",
  finished: "There is no video to show.",
  failed: "There is no video.",
};

function player(source, generation, sorry) {
  const video = make("video", { controls: true, playsinline: true, preload: "metadata", poster: poster(generation), src: source });
  video.loop = true;
  video.addEventListener("error", () => {
    const url = generation.saved && source !== generation.video_url && generation.video_url;
    const button = url && make("button", { type: "button", class: "primary" }, "Play from the vendor");
    const offer = make("div", { class: "offer" }, make("p", { class: "words" }, sorry), button);
    button?.addEventListener("click", () =>
      offer.replaceWith(player(url, generation, "The vendor no longer gives this video, or not to this browser.")),
    );
    video.replaceWith(offer);
  });
  video.play().catch(() => {});
  return video;
}

function failure(error) {
  const words = error?.message ?? "The task's log says why.";
  return make("div", { class: "failure" }, make("strong", {}, say.cause(error)), make("p", {}, words));
}

function actions(generation) {
  const task = make("a", { class: "primary", href: taskUrl(generation) }, "Open the task");
  const save = generation.saved && make("a", { href: videoUrl(generation), download: `${generation.generation_id ?? generation.id}.mp4` }, "Download");
  const vendor = generation.video_url && make("a", { href: generation.video_url, target: "_blank", rel: "noopener noreferrer" }, "Open at the vendor");
  const copy = generation.prompt && make("button", { type: "button" }, "Copy prompt");
  copy &&
    copy.addEventListener("click", async () => {
      const copied = await navigator.clipboard?.writeText(generation.prompt).then(() => true, () => false);
      fill(copy, copied ? "Copied" : "Copying is not allowed here");
    });
  return [leadsOut(task), save, vendor && leadsOut(vendor), copy].filter(Boolean);
}

function details(generation) {
  const rows = [
    ["DAG", generation.dag_id],
    ["Run", generation.run_id],
    ["Task", say.taskName(generation)],
    ["Kind", generation.task && say.taskKind(generation.task)],
    ["Gateway", generation.gateway && say.gateway(generation.gateway)],
    ["Version", generation.version],
    ["Model", generation.model],
    ["Resolution", [generation.resolution, generation.aspect_ratio].filter(Boolean).join(", ")],
    ["Length", generation.duration && `${generation.duration} s`],
    ["Seed", generation.seed],
    ["Cost", cost(generation)],
    ["Submitted", generation.submitted_at && say.moment(generation.submitted_at)],
    ["Time taken", generation.seconds !== null && say.span(generation.seconds)],
    ["Size", generation.size_bytes && say.bytes(generation.size_bytes)],
    ["Saved to", generation.output_path],
    ["Generation", generation.generation_id],
    ["Error", generation.error?.type],
  ];
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return make("dl", {}, ...known.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
}

function cost(generation) {
  if (generation.cost) return say.cost(generation.cost);
  return generation.bought ? "not stated" : "counted at the task that bought it";
}
