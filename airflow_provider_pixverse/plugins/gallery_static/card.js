// SPDX-License-Identifier: Apache-2.0
// One generation in the list.

import { leadsOut, taskUrl } from "./airflow.js";
import { fill, make } from "./dom.js";
import * as say from "./format.js";
import { unwant, want } from "./posters.js";

const UNDER_WAY = new Set(["running", "retrying"]);

export const isUnderWay = ({ state }) => UNDER_WAY.has(state);

export class Card {
  /** @param {(generation: object) => void} open called when the card is chosen */
  constructor(generation, open) {
    this.screen = make("div", { class: "screen" });
    this.prompt = make("span", { class: "prompt" });
    this.facts = make("span", { class: "facts" });
    this.button = make(
      "button",
      { type: "button", class: "opens", onclick: () => open(this.generation) },
      this.screen,
      this.prompt,
      this.facts,
    );
    this.foot = make("div", { class: "foot" });
    this.element = make("li", { class: "card", "data-id": generation.id }, this.button, this.foot);
    this.update(generation);
  }

  /** Show a newer state of the same generation. */
  update(generation) {
    const before = this.shown;
    this.generation = generation;
    this.shown = JSON.stringify(generation);
    if (this.shown === before) return;
    this.element.dataset.state = generation.state;
    fill(this.prompt, say.title(generation));
    fill(this.facts, say.facts(generation).join(" · "));
    this.button.setAttribute("aria-label", this.#label());
    this.#showScreen();
    this.#showFoot();
  }

  /** Count on what is still running. */
  tick() {
    if (this.clock) fill(this.clock, this.#elapsed());
  }

  remove() {
    unwant(this.element);
    this.element.remove();
  }

  #label() {
    const { generation } = this;
    return [say.STATES[generation.state], say.title(generation), ...say.facts(generation)].join(", ");
  }

  #showScreen() {
    const { generation } = this;
    this.clock = isUnderWay(generation) && generation.submitted_at ? make("span", { class: "clock" }) : null;
    const pill = make("span", { class: "pill", "data-state": generation.state }, say.STATES[generation.state]);
    const length =
      generation.state === "finished" && generation.duration
        ? make("span", { class: "length" }, `0:${String(Math.round(generation.duration)).padStart(2, "0")}`)
        : null;
    fill(this.screen, this.#picture(), pill, length);
    this.tick();
    if (generation.saved) want(this.element, generation, (url) => this.#showPoster(url));
  }

  #picture() {
    const { generation } = this;
    const words = make("span", { class: "words" });
    if (generation.saved) return make("span", { class: "blank", "data-kind": "saved" });
    if (isUnderWay(generation)) {
      fill(words, make("span", { class: "spinner", "aria-hidden": "true" }), this.clock);
      return make("span", { class: "blank", "data-kind": "running" }, words);
    }
    if (generation.state === "failed") {
      fill(words, say.cause(generation.error));
      return make("span", { class: "blank", "data-kind": "failed" }, words);
    }
    if (generation.state === "submitted") {
      fill(words, "Another task may collect it");
      return make("span", { class: "blank", "data-kind": "submitted" }, words);
    }
    fill(words, generation.video_url ? "Not saved: at the vendor" : "Not saved");
    return make("span", { class: "blank", "data-kind": "vendor" }, words);
  }

  #showPoster(url) {
    const blank = this.screen.querySelector(".blank");
    if (!this.generation.saved || !blank) return;
    if (!url) {
      blank.dataset.kind = "unreachable";
      fill(blank, make("span", { class: "words" }, "No preview"));
      return;
    }
    const poster = make(
      "span",
      { class: "poster" },
      make("img", { src: url, alt: "", class: "backdrop" }),
      make("img", { src: url, alt: "" }),
      make("span", { class: "play", "aria-hidden": "true" }),
    );
    blank.replaceWith(poster);
  }

  #showFoot() {
    const { generation } = this;
    const link = make("a", { href: taskUrl(generation), class: "task" }, `${generation.dag_id} / ${say.taskName(generation)}`);
    link.title = `${generation.dag_id} / ${say.taskName(generation)}\n${generation.run_id}`;
    const taken = generation.seconds !== null && make("span", { title: "From submission to delivery" }, `took ${say.span(generation.seconds)}`);
    const price = generation.cost
      ? make("span", { class: "price" }, say.cost(generation.cost))
      : !generation.bought && make("span", { class: "price", title: "Its cost counts where it was bought" }, "bought elsewhere");
    fill(this.foot, leadsOut(link), make("span", { class: "figures" }, taken || make("span"), price));
  }

  #elapsed() {
    return say.span((Date.now() - Date.parse(this.generation.submitted_at)) / 1000);
  }
}
