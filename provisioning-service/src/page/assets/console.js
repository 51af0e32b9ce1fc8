// What scripts add: copying a command, and an honest word when the service cannot be reached.
"use strict";

(() => {
  const able = (root) => {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("button[data-copy][hidden]")) {
      button.hidden = false;
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const from = document.getElementById(button.dataset.copy);
    const word = button.textContent;
    try {
      await navigator.clipboard.writeText(from.textContent);
      button.textContent = "Copied";
    } catch {
      // The text can still be marked and copied by hand.
      const range = document.createRange();
      range.selectNodeContents(from);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Marked: copy it now";
    }
    setTimeout(() => { button.textContent = word; }, 2000);
  });

  // What is shown is old when a refresh fails, and must not look as if it were new.
  const stale = (is) => document.body.classList.toggle("stale", is);
  document.addEventListener("htmx:sendError", () => stale(true));
  document.addEventListener("htmx:responseError", () => stale(true));
  document.addEventListener("htmx:afterOnLoad", () => stale(false));
  document.addEventListener("htmx:load", (event) => able(event.target));

  able(document);
})();
