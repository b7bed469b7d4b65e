"use strict";
// Keeps the parts of a page up to date, and filters lists. Everything else works without it.

const connection = document.getElementById("connection");

function tell(text, state) {
  if (!connection) return;
  connection.textContent = text;
  connection.dataset.state = state;
}

// What is pressed must still be there when it is let go, or the click is lost.
let pressed = false;
const waiting = new Map();
window.addEventListener("pointerdown", () => { pressed = true; });
for (const ended of ["pointerup", "pointercancel", "blur"]) {
  window.addEventListener(ended, () => setTimeout(release));
}

function release() {
  pressed = false;
  for (const [id, html] of waiting) patch(id, html);
  waiting.clear();
}

// Replacing a part must not take away the focus, what is open, or what is being written.
function patch(id, html) {
  const part = document.getElementById(id);
  if (!part) return;
  if (pressed) {
    waiting.set(id, html);
    return;
  }
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  if (part.querySelector(":scope input:checked, :scope details.confirm[open]")) return;
  if (focused && focused.matches("textarea, select, input:not([type=checkbox])")) return;
  const keyOf = (element) => element.dataset.key || element.id || element.getAttribute("aria-label");
  const key = focused && keyOf(focused);
  const text = focused && focused.textContent;
  const open = new Set(Array.from(part.querySelectorAll("details[open]"), (d) => d.dataset.key));
  const scrolled = Array.from(part.querySelectorAll(".scroll, pre"), (s) => [s.scrollLeft, s.scrollTop]);
  part.innerHTML = html;
  for (const details of part.querySelectorAll("details")) {
    if (open.has(details.dataset.key)) details.open = true;
  }
  part.querySelectorAll(".scroll, pre").forEach((box, n) => {
    if (scrolled[n]) [box.scrollLeft, box.scrollTop] = scrolled[n];
  });
  if (focused) {
    const all = Array.from(part.querySelectorAll("a, button, summary, input, [tabindex]"));
    const again = all.find((each) => key && keyOf(each) === key) || all.find((each) => each.textContent === text);
    if (again) again.focus({ preventScroll: true });
  }
}

function follow(address) {
  const source = new EventSource(address);
  source.onopen = () => tell("live", "live");
  source.onmessage = (message) => {
    const began = performance.now();
    const parts = JSON.parse(message.data);
    for (const [id, html] of Object.entries(parts)) patch(id, html);
    document.querySelectorAll("[data-filter]").forEach(filter);
    if (Object.keys(parts).length) performance.measure("update", { start: began, end: performance.now() });
  };
  source.onerror = () => tell("no connection, trying again", "lost");
  window.addEventListener("pagehide", () => source.close());
}

function filter(input) {
  const list = document.getElementById(input.dataset.filter);
  const wanted = input.value.trim().toLowerCase();
  let shown = 0;
  for (const item of list.querySelectorAll("li")) {
    item.hidden = wanted !== "" && !item.textContent.toLowerCase().includes(wanted);
    if (!item.hidden) shown += 1;
  }
  const none = list.querySelector(".none");
  if (none) none.hidden = shown > 0;
}

document.querySelectorAll("[data-filter]").forEach((input) => {
  input.addEventListener("input", () => filter(input));
});

// A form that was sent must not be sent twice by an impatient hand.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

if (document.body.dataset.live) follow(document.body.dataset.live);
