// SPDX-License-Identifier: Apache-2.0
// A picture of each saved video, taken from the video itself when its card comes near the screen.
//
// A page of video elements would hold a player and a connection each, and browsers allow few of both. So
// three at a time are opened, as little of them as a picture needs is fetched, and they are let go.

import { videoUrl } from "./api.js";

const AT_ONCE = 3;
const PATIENCE = 15_000;
const WIDEST = 640;

const taken = new Map();
const waiting = [];
let busy = 0;

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const wanted = wanting.get(target);
      if (!wanted) continue;
      const place = waiting.indexOf(wanted);
      if (isIntersecting && place < 0) waiting.push(wanted);
      if (!isIntersecting && place >= 0) waiting.splice(place, 1);
    }
    next();
  },
  // In a frame, a margin around the window would end at the frame.
  { root: document, rootMargin: "400px" },
);
const wanting = new Map();

/**
 * Call back with the URL of a picture of the generation's video, or null where there is none to be had.
 * @param {Element} element near whose place on the screen it is needed
 */
export function want(element, generation, done) {
  if (taken.has(generation.id)) {
    done(taken.get(generation.id));
    return;
  }
  wanting.set(element, { element, generation, done });
  observer.observe(element);
}

/** The picture of a generation, if it was taken. */
export const poster = ({ id }) => taken.get(id) ?? null;

/** Forget an element that is no longer shown. */
export function unwant(element) {
  const place = waiting.indexOf(wanting.get(element));
  if (place >= 0) waiting.splice(place, 1);
  wanting.delete(element);
  observer.unobserve(element);
}

async function next() {
  if (busy >= AT_ONCE || !waiting.length) return;
  const wanted = waiting.shift();
  unwant(wanted.element);
  busy += 1;
  next();
  const url = await take(videoUrl(wanted.generation)).catch(() => null);
  busy -= 1;
  taken.set(wanted.generation.id, url);
  wanted.done(url);
  next();
}

async function take(source) {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "metadata";
  video.src = source;
  try {
    await happens(video, "loadedmetadata");
    // Past the fade-in that many videos begin with.
    video.currentTime = Math.min(1, (video.duration || 0) / 4);
    await happens(video, "seeked");
    const scale = Math.min(1, WIDEST / video.videoWidth);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
    return picture && URL.createObjectURL(picture);
  } finally {
    video.removeAttribute("src");
    video.load();
  }
}

function happens(video, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("too late")), PATIENCE);
    const settle = (outcome) => () => {
      clearTimeout(timer);
      outcome(new Error(event));
    };
    video.addEventListener(event, settle(resolve), { once: true });
    video.addEventListener("error", settle(reject), { once: true });
  });
}
