"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const cards = all("article.check");
  const sections = all("section.topic");
  const form = one("filters");
  const boxes = all("input[name=result]");
  const texts = new Map();
  const textOf = (card) => {
    if (!texts.has(card)) texts.set(card, card.textContent.toLowerCase());
    return texts.get(card);
  };

  const fits = (card, words, topic, level, results) =>
    (!topic || card.dataset.topic === topic) &&
    (!level || card.dataset.level === level) &&
    results.has(card.dataset.result) &&
    words.every((word) => textOf(card).includes(word));

  function apply() {
    const words = one("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const topic = one("filter-topic").value;
    const level = one("filter-level").value;
    const results = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const card of cards) {
      card.hidden = !fits(card, words, topic, level, results);
      if (!card.hidden) shown += 1;
    }
    for (const section of sections) {
      section.hidden = !section.querySelector("article.check:not([hidden])");
    }
    one("shown").textContent = `${shown} of ${cards.length} checks`;
    one("nothing").hidden = shown > 0;
  }

  function everything() {
    one("filter-text").value = "";
    one("filter-topic").value = "";
    one("filter-level").value = "";
    for (const box of boxes) box.checked = true;
    apply();
  }

  const visible = () => cards.filter((card) => !card.hidden);
  const setOpen = (open) => {
    for (const card of visible()) card.querySelector("details").open = open;
  };

  function follow() {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { return; }
    const place = id && one(id);
    if (!place) return;
    if (place.matches("article.check, section.topic") && place.hidden) everything();
    if (place.matches("article.check")) place.querySelector("details").open = true;
    if (place.closest("#checks")) place.scrollIntoView();
  }

  async function copy(button) {
    const command = button.parentElement.querySelector("pre");
    let done = true;
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch {
      const selection = getSelection();
      selection.selectAllChildren(command);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  // What passed or was skipped is out of the way, as long as there is something else.
  const quiet = new Set(["passed", "skipped"]);
  const other = boxes.some((box) => !quiet.has(box.value));
  for (const box of boxes) box.checked = !other || !quiet.has(box.value);
  for (const button of all("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); everything(); });
  one("nothing-reset").addEventListener("click", everything);
  one("open-all").addEventListener("click", () => setOpen(true));
  one("close-all").addEventListener("click", () => setOpen(false));
  addEventListener("hashchange", follow);
  for (const link of all("a[href^='#']")) {
    // The same link twice changes no hash.
    link.addEventListener("click", () => { if (link.hash === location.hash) follow(); });
  }

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = visible().map((card) => card.querySelector("details")).filter((part) =>
      !part.open && !quiet.has(part.parentElement.dataset.result));
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of closed) part.open = false; });

  form.hidden = false;
  apply();
  follow();
})();
