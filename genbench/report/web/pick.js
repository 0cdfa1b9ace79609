// Tabs: one panel of several is shown; arrows move between them. And the sentence behind a pair's cell.
for (const list of document.querySelectorAll('[role="tablist"]')) {
  const tabs = [...list.children];
  const select = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const next = tabs[(place + move + tabs.length) % tabs.length];
      select(next);
      next.focus();
    });
  });
  if (tabs.length) select(tabs[0]);
}

for (const button of document.querySelectorAll("button.pair")) {
  button.addEventListener("click", () => {
    button.closest(".tabs").querySelector(".said").textContent = `${button.dataset.say}.`;
  });
}
