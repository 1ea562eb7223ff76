"use strict";
for (const box of document.querySelectorAll("[data-steps]")) {
  const steps = JSON.parse(box.dataset.steps);
  const range = box.querySelector("input");
  const cursors = box.querySelectorAll(".cursor");
  const fields = box.querySelectorAll("[data-field]");
  const inputs = box.querySelectorAll(".reads li");
  const show = () => {
    const step = steps[Number(range.value)];
    for (const cursor of cursors) {
      cursor.setAttribute("transform", `translate(${step.x},0)`);
      cursor.removeAttribute("hidden");
    }
    for (const field of fields) field.textContent = step[field.dataset.field];
    inputs.forEach((item, k) => { item.className = ["out", "some", "all"][step.read[k]]; });
    range.setAttribute("aria-valuetext", step.text);
  };
  range.addEventListener("input", show);
  box.querySelector(".slide").hidden = false;
  show();
}
