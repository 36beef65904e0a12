// SPDX-License-Identifier: Apache-2.0
// The contrast of an element's text with what is behind it, as WCAG 2 counts it.
(element) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const behind = [];
  for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
  const luminance = (colours) => {
    for (const colour of ["white", ...colours]) {
      brush.fillStyle = colour;
      brush.fillRect(0, 0, 1, 1);
    }
    const [red, green, blue] = [...brush.getImageData(0, 0, 1, 1).data].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const text = luminance([...behind, getComputedStyle(element).color]);
  const ground = luminance(behind);
  return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
};
