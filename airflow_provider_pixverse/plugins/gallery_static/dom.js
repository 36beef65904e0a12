// SPDX-License-Identifier: Apache-2.0
// Elements made from values. Text is only ever set as text: nothing here reads HTML.

/**
 * Make an element.
 * @param {string} name its tag
 * @param {object} [fields] attributes; `class`, `on…` listeners and properties such as `hidden` work too
 * @param {...(Node|string|number|null|false|undefined)} content what is inside; nothing is left out
 */
export function make(name, fields = {}, ...content) {
  const element = document.createElement(name);
  for (const [field, value] of Object.entries(fields)) {
    if (value === null || value === undefined || value === false) continue;
    if (field.startsWith("on")) element.addEventListener(field.slice(2), value);
    else element.setAttribute(field, value === true ? "" : String(value));
  }
  element.append(...content.filter(isSomething));
  return element;
}

/** Put this inside an element instead of what is there. */
export function fill(element, ...content) {
  element.replaceChildren(...content.filter(isSomething));
  return element;
}

function isSomething(value) {
  return value !== null && value !== undefined && value !== false && value !== "";
}
